"""An API server, a clock and a log of changes, all in memory, for controllers that use `reference.api.Api`.

It knows the rules that controllers lean on: resourceVersion, generation, finalizers, owner references, and
immutable specs. `Log.allowed` counts down with every change: at zero the controller is killed in the middle
of its pass.
"""

from __future__ import annotations

import datetime
import uuid
from collections.abc import Callable, Mapping
from typing import Any

import httpx2
import orjson
from lightkube import ApiError
from lightkube.core.resource import NamespacedResource

from reference.objects import Object, as_time, name_of, uid_of, version_of

NAMESPACE = "ns"
#: Kinds whose spec never changes.
IMMUTABLE = frozenset({"ActorTemplate", "SandboxSnapshotTask"})


class Killed(Exception):  # noqa: N818
    """The controller was killed."""


class Clock:
    """Time that only moves when told to."""

    def __init__(self) -> None:
        self.now = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)

    def __call__(self) -> datetime.datetime:
        return self.now

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.now += datetime.timedelta(seconds=seconds)


class Log:
    """What was changed, as (verb, object), and how many more changes there may be."""

    def __init__(self) -> None:
        self.entries: list[tuple[str, str]] = []
        self.allowed: int | None = None

    def __call__(self, verb: str, what: str) -> None:
        if self.allowed is not None:
            if self.allowed == 0:
                raise Killed
            self.allowed -= 1
        self.entries.append((verb, what))

    def of(self, verb: str) -> list[str]:
        """The objects of one verb."""
        return [what for done, what in self.entries if done == verb]


def _refusal(status: int, reason: str, message: str) -> ApiError:
    request = httpx2.Request("GET", "http://api")
    body = {"code": status, "reason": reason, "message": message}
    return ApiError(request, httpx2.Response(status, json=body, request=request))


def merged(before: Any, patch: Any) -> Any:
    """What a merge patch (RFC 7386) makes of a value."""
    if not isinstance(patch, Mapping):
        return patch
    after = dict(before) if isinstance(before, Mapping) else {}
    for key, value in patch.items():
        if value is None:
            after.pop(key, None)
        else:
            after[key] = merged(after.get(key), value)
    return after


def _copy(found: Any) -> Any:
    return orjson.loads(orjson.dumps(found))


class FakeApi:
    """The API server."""

    def __init__(self, clock: Clock, log: Log) -> None:
        self._clock = clock
        self._log = log
        self._version = 0
        self.objects: dict[tuple[str, str], dict[str, Any]] = {}
        #: (kind, name) of writes that are refused, and with what.
        self.refused: dict[tuple[str, str], int] = {}
        #: What happens right after a patch, given what it stored.
        self.after_patch: Callable[[Object], None] = lambda _: None
        #: What happens right before a deletion that is asked for, given what its caller knows.
        self.before_delete: Callable[[Object], None] = lambda _: None

    async def get(self, kind: Any, namespace: str, name: str) -> Object | None:
        found = self.objects.get((_kind(kind), name))
        return _copy(found)

    async def list(
        self, kind: Any, namespace: str, labels: Mapping[str, str | None] | None = None
    ) -> list[Object]:
        found = [o for (which, _), o in sorted(self.objects.items()) if which == _kind(kind)]
        return [_copy(o) for o in found if selected(o, labels or {})]

    async def create(self, kind: Any, body: Mapping[str, Any]) -> Object:
        key = _kind(kind), str(body["metadata"]["name"])
        if key in self.objects:
            raise _refusal(409, "AlreadyExists", f"{key} already exists")
        self._changing("create", key)
        metadata = {
            **_copy(body["metadata"]),
            **({"namespace": NAMESPACE} if issubclass(kind, NamespacedResource) else {}),
            "uid": str(uuid.uuid4()),
            "generation": 1,
            "creationTimestamp": as_time(self._clock()),
        }
        found = {"apiVersion": "v", "kind": key[0], **_copy(dict(body)), "metadata": metadata}
        return self._stored(key, found)

    async def patch(self, kind: Any, found: Object, patch: Mapping[str, Any]) -> Object:
        done = self._patched("patch", kind, found, patch)
        self.after_patch(done)
        return done

    async def patch_status(self, kind: Any, found: Object, status: Mapping[str, Any]) -> Object:
        return self._patched("status", kind, found, {"status": status})

    async def delete(self, kind: Any, found: Object) -> None:
        self.before_delete(found)
        self._deleted(kind, found)

    async def delete_unchanged(self, kind: Any, found: Object) -> bool:
        self.before_delete(found)
        current = self.objects.get((_kind(kind), name_of(found)))
        if current is not None and version_of(current) != version_of(found):
            return False
        self._deleted(kind, found)
        return True

    # -- what users and other controllers do ------------------------------

    def edit(self, kind: Any, name: str, patch: Mapping[str, Any]) -> None:
        """Merge a patch into an object, unguarded and uncounted."""
        key = _kind(kind), name
        self._stored(key, self._changed(self.objects[key], patch))

    def collect(self) -> None:
        """Collect what has lost its owner, until nothing has."""
        while True:
            uids = {uid_of(found) for found in self.objects.values()}
            orphans = [
                key
                for key, found in self.objects.items()
                if (owners := found["metadata"].get("ownerReferences"))
                and all(owner["uid"] not in uids for owner in owners)
            ]
            if not orphans:
                return
            for key in orphans:
                self._dropped(key)

    def remove(self, kind: Any, name: str) -> None:
        """Delete an object behind the controller's back."""
        self._removed((_kind(kind), name))

    def all(self, kind: Any) -> list[dict[str, Any]]:
        """The objects of a kind, by name."""
        return [found for (which, _), found in sorted(self.objects.items()) if which == _kind(kind)]

    # -- rules -------------------------------------------------------------

    def _deleted(self, kind: Any, found: Object) -> None:
        key = _kind(kind), name_of(found)
        current = self.objects.get(key)
        if current is not None and uid_of(current) == uid_of(found):
            self._changing("delete", key)
            self._removed(key)

    def _removed(self, key: tuple[str, str]) -> None:
        found = self.objects[key]
        if found["metadata"].get("finalizers"):
            found["metadata"].setdefault("deletionTimestamp", as_time(self._clock()))
            self._stored(key, found)
        else:
            self._dropped(key)
            self.collect()

    def _patched(self, verb: str, kind: Any, found: Object, patch: Mapping[str, Any]) -> Object:
        key = _kind(kind), name_of(found)
        current = self.objects.get(key)
        if current is None:
            raise _refusal(404, "NotFound", f"{key} not found")
        if current["metadata"]["resourceVersion"] != found["metadata"]["resourceVersion"]:
            raise _refusal(409, "Conflict", f"{key} has been modified")
        changed = self._changed(current, patch)
        if key[0] in IMMUTABLE and changed["spec"] != current["spec"]:
            raise _refusal(422, "Invalid", f"the spec of a {key[0]} is immutable")
        self._changing(verb, key)
        done = self._stored(key, changed)
        if done["metadata"].get("deletionTimestamp") and not done["metadata"].get("finalizers"):
            self._dropped(key)
            self.collect()
        return done

    @staticmethod
    def _changed(before: dict[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
        after: dict[str, Any] = merged(before, patch)
        if after.get("spec") != before.get("spec"):
            after["metadata"]["generation"] = before["metadata"]["generation"] + 1
        return after

    def _changing(self, verb: str, key: tuple[str, str]) -> None:
        if key in self.refused:
            raise _refusal(self.refused[key], "Refused", f"{key} is refused")
        if key[0] != "Event":
            self._log(verb, "/".join(key))

    def _stored(self, key: tuple[str, str], found: dict[str, Any]) -> Object:
        self._version += 1
        found["metadata"]["resourceVersion"] = str(self._version)
        self.objects[key] = found
        return _copy(found)

    def _dropped(self, key: tuple[str, str]) -> None:
        del self.objects[key]


def _kind(kind: Any) -> str:
    return str(kind._api_info.resource.kind)


def selected(found: Mapping[str, Any], labels: Mapping[str, str | None]) -> bool:
    """Whether an object carries these labels, each with any value where None is given."""
    has = found["metadata"].get("labels") or {}
    return all(key in has and value in (None, has[key]) for key, value in labels.items())
