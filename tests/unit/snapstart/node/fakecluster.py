"""An API server with few rules: objects, watches, patches, deletion as kubelets see it, over plain HTTP.

It has what the programs of SnapStart ask of one: selectors, strategic merges of conditions, UIDs and
versions as preconditions, generations, finalizers, Pods that stay until their kubelet has ended them.
`writes` tells who changed what, in order.
"""

from __future__ import annotations

import asyncio
import contextlib
import copy
import itertools
import json
import uuid
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any

from aiohttp import web

from fixtures.processes import free_port
from reference.program import Address, listening

Found = dict[str, Any]
Where = tuple[str, str, str]

#: Lists whose elements are told apart by a field, in a strategic merge.
_MERGED_BY = {"conditions": "type", "podIPs": "ip", "addresses": "type"}
CREATED = "2026-01-01T00:00:00Z"


class FakeCluster:
    """All objects, by plural, namespace and name."""

    def __init__(self) -> None:
        self.objects: dict[Where, Found] = {}
        #: Verb, plural with subresource, name.
        self.writes: list[tuple[str, str, str]] = []
        #: While set, every request is answered with 503.
        self.down = False
        self._versions = itertools.count(1)
        self._events: list[tuple[int, str, str, Found]] = []
        #: Set with the next change, and then replaced.
        self._news = asyncio.Event()

    # -- what tests do ------------------------------------------------------------

    def put(self, plural: str, found: Mapping[str, Any]) -> Found:
        """Add or replace an object."""
        new = copy.deepcopy(dict(found))
        metadata = new.setdefault("metadata", {})
        metadata.setdefault("uid", str(uuid.uuid4()))
        metadata.setdefault("creationTimestamp", CREATED)
        return self._store((plural, metadata.get("namespace", ""), metadata["name"]), new)

    def get(self, plural: str, name: str, namespace: str = "") -> Found | None:
        """One object as it is now."""
        return self.objects.get((plural, namespace, name))

    def edit(self, plural: str, name: str, patch: Mapping[str, Any], namespace: str = "") -> Found:
        """Merge a patch into an object."""
        where = plural, namespace, name
        return self._store(where, merged(self.objects[where], patch, strategic=True))

    def all(self, plural: str) -> list[Found]:
        """The objects of a kind, by namespace and name."""
        return [found for (kind, _, _), found in sorted(self.objects.items()) if kind == plural]

    def delete(self, plural: str, name: str, namespace: str = "") -> None:
        """Delete an object as users do."""
        self._delete((plural, namespace, name), {})

    def remove(self, plural: str, name: str, namespace: str = "") -> None:
        """An object is gone at once, without its kubelet."""
        self._forget((plural, namespace, name))

    def delete_pod(self, name: str, namespace: str, grace: int = 30) -> None:
        """Delete a Pod as users do: the kubelet has the last word."""
        metadata = {"deletionTimestamp": CREATED, "deletionGracePeriodSeconds": grace}
        self.edit("pods", name, {"metadata": metadata}, namespace)

    async def until(self, condition: Callable[[], Any], limit_s: float = 60) -> Any:
        """The first true value of a condition on the objects; asked at each change, and 50 times a second."""
        async with asyncio.timeout(limit_s):
            while not (value := condition()):
                await _heard(self._news, 0.02)
        return value

    # -- the server -----------------------------------------------------------------

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Any request."""
        if self.down:
            return _refusal(503, "the server is down")
        plural, namespace, name, subresource = _place(request.path)
        if request.method == "GET":
            if name:
                found = self.objects.get((plural, namespace, name))
                return _refusal(404, f"no {plural} {name}") if found is None else web.json_response(found)
            if request.query.get("watch") == "true":
                return await self._watch(request, plural, namespace)
            return self._list(request, plural, namespace)
        body = json.loads(await request.read() or b"{}")
        if request.method == "POST":
            return self._create(plural, namespace, body)
        where = plural, namespace, name
        self.writes.append((request.method, f"{plural}/{subresource}" if subresource else plural, name))
        if where not in self.objects:
            return _refusal(404, f"no {plural} {name}")
        if request.method == "DELETE":
            return self._delete(where, body)
        strategic = "strategic" in request.headers["Content-Type"]
        return self._patch(where, subresource, body, strategic)

    def _list(self, request: web.Request, plural: str, namespace: str) -> web.Response:
        wanted = _selector(request)
        items = [
            found
            for (kind, where, _), found in sorted(self.objects.items())
            if kind == plural and namespace in ("", where) and wanted(found)
        ]
        return web.json_response({"metadata": {"resourceVersion": str(self._version())}, "items": items})

    async def _watch(self, request: web.Request, plural: str, namespace: str) -> web.StreamResponse:
        wanted, seen = _selector(request), int(request.query.get("resourceVersion") or 0)
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        while not self.down:
            news = self._news
            for version, kind, what, found in list(self._events):
                if version <= seen:
                    continue
                seen = version
                if kind == plural and namespace in ("", found["metadata"].get("namespace")) and wanted(found):
                    await response.write(json.dumps({"type": what, "object": found}).encode() + b"\n")
            await _heard(news, 0.05)
        return response

    def _create(self, plural: str, namespace: str, body: Found) -> web.Response:
        where = plural, namespace, body["metadata"]["name"]
        self.writes.append(("POST", plural, where[2]))
        if where in self.objects:
            return _refusal(409, f"{where} is there")
        return web.json_response(self.put(plural, body), status=201)

    def _patch(self, where: Where, subresource: str, body: Found, strategic: bool) -> web.Response:
        before = self.objects[where]
        for precondition in ("uid", "resourceVersion"):
            wanted = body.get("metadata", {}).get(precondition)
            if wanted not in (None, before["metadata"][precondition]):
                return _refusal(409, f"{precondition} is not {wanted}")
        if subresource == "status":
            body = {"status": body.get("status", {})}
        after = self._store(where, merged(before, body, strategic=strategic))
        if _finalizers(before) and not _finalizers(after) and "deletionTimestamp" in after["metadata"]:
            self._forget(where)
        return web.json_response(after)

    def _delete(self, where: Where, body: Found) -> web.Response:
        found = self.objects[where]
        if (body.get("preconditions") or {}).get("uid") not in (None, found["metadata"]["uid"]):
            return _refusal(409, "another UID")
        if where[0] == "pods" and body.get("gracePeriodSeconds") != 0:
            self.delete_pod(where[2], where[1])
        elif _finalizers(found):
            self.edit(where[0], where[2], {"metadata": {"deletionTimestamp": CREATED}}, where[1])
        else:
            self._forget(where)
        return web.json_response(found)

    def _store(self, where: Where, found: Found) -> Found:
        before = self.objects.get(where)
        version = next(self._versions)
        generation = before["metadata"]["generation"] if before is not None else 0
        if before is None or before.get("spec") != found.get("spec"):
            generation += 1
        stamps = {"resourceVersion": str(version), "generation": generation}
        found = {**found, "metadata": {**found["metadata"], **stamps}}
        self.objects[where] = found
        self._tell(version, where[0], "ADDED" if before is None else "MODIFIED", found)
        return found

    def _forget(self, where: Where) -> None:
        if (found := self.objects.pop(where, None)) is not None:
            self._tell(next(self._versions), where[0], "DELETED", found)

    def _tell(self, version: int, plural: str, what: str, found: Found) -> None:
        self._events.append((version, plural, what, found))
        self._news.set()
        self._news = asyncio.Event()

    def _version(self) -> int:
        return self._events[-1][0] if self._events else 0


async def _heard(news: asyncio.Event, limit_s: float) -> None:
    """Wait for news, but not for long."""
    # Not wait_for, which may swallow a cancellation.
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(limit_s):
            await news.wait()


@contextlib.asynccontextmanager
async def cluster(folder: Path) -> AsyncIterator[tuple[FakeCluster, Path]]:
    """A server at work, and a kubeconfig file that leads to it."""
    found, address = FakeCluster(), Address("127.0.0.1", free_port())
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", found.answer)
    kubeconfig = folder / "kubeconfig"
    kubeconfig.write_text(json.dumps(_kubeconfig(f"http://{address}")))
    async with listening(application, address):
        try:
            yield found, kubeconfig
        finally:
            found.down = True


def merged(before: Any, patch: Any, *, strategic: bool) -> Any:
    """A merge patch, or one in which lists of conditions are merged by type."""
    if not isinstance(patch, Mapping):
        return patch
    result = dict(before) if isinstance(before, Mapping) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        elif strategic and key in _MERGED_BY and isinstance(value, list):
            result[key] = _merged_list(result.get(key) or [], value, _MERGED_BY[key])
        else:
            result[key] = merged(result.get(key), value, strategic=strategic)
    return result


def _merged_list(before: list[Any], patch: list[Any], by: str) -> list[Any]:
    elements = {one[by]: one for one in before}
    for one in patch:
        elements[one[by]] = merged(elements.get(one[by]), one, strategic=True)
    return list(elements.values())


def _finalizers(found: Found) -> Any:
    return found["metadata"].get("finalizers")


def _place(path: str) -> tuple[str, str, str, str]:
    """Plural, namespace, name and subresource of a path."""
    parts = path.strip("/").split("/")
    parts = parts[2:] if parts[0] == "api" else parts[3:]
    namespace = ""
    if parts[0] == "namespaces" and len(parts) > 2:
        namespace, parts = parts[1], parts[2:]
    plural, name, subresource = [*parts, "", ""][:3]
    return plural, namespace, name, subresource


def _selector(request: web.Request) -> Callable[[Found], bool]:
    terms = [term.partition("=") for term in request.query.get("fieldSelector", "").split(",") if term]

    labels = [term.partition("=") for term in request.query.get("labelSelector", "").split(",") if term]

    def wanted(found: Found) -> bool:
        carried = found["metadata"].get("labels") or {}
        for key, equals, value in labels:
            if key not in carried or (equals and carried[key] != value):
                return False
        for path, _, value in terms:
            at: Any = found
            for step in path.split("."):
                at = (at or {}).get(step)
            if at != value.lstrip("="):
                return False
        return True

    return wanted


def _refusal(code: int, message: str) -> web.Response:
    status = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "message": message}
    # Without a charset, which the client of the references does not expect.
    body = json.dumps(status).encode()
    return web.Response(body=body, status=code, headers={"Content-Type": "application/json"})


def _kubeconfig(server: str) -> Found:
    return {
        "clusters": [{"name": "fake", "cluster": {"server": server}}],
        "users": [{"name": "fake", "user": {}}],
        "contexts": [{"name": "fake", "context": {"cluster": "fake", "user": "fake"}}],
        "current-context": "fake",
    }
