"""Sessions: created on one of two paths, and waited for until they can be used.

A session takes a free slot of a pool through a SandboxClaim; where there is none it gets a Sandbox of its
own, with the key to restore from if there is one. Both look the same to the user.
"""

from __future__ import annotations

import asyncio
import secrets
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import httpx2
from lightkube import ApiError

from reference.api import Api, status_of
from reference.objects import Object, name_of, namespace_of
from reference.snapstart.blueprints import sandbox_spec
from reference.snapstart.front.lookup import Intent, Lookup
from reference.snapstart.front.objects import Objects
from reference.snapstart.front.pools import Pools
from reference.snapstart.hashing import pod_spec
from reference.snapstart.kinds import (
    AGENTS_GROUP,
    AGENTS_VERSION,
    EXTENSIONS_GROUP,
    SESSION_ID,
    SNAPSHOT_KEY,
    Sandbox,
    SandboxClaim,
    SandboxTemplate,
)

#: The port of a session whose template names none.
_DEFAULT_PORT: Final = 8080
#: Reasons of a claim's Ready condition after which it never becomes Ready.
_HOPELESS_CLAIM: Final = frozenset(
    {"TemplateNotFound", "WarmPoolNotFound", "InvalidMetadata", "ClaimExpired", "SandboxExpired"}
)


class Refused(Exception):  # noqa: N818  reads as the answer it becomes
    """A session was not created; `status` is the HTTP status of the answer."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


@dataclass(frozen=True)
class Wish:
    """What a user asks for."""

    namespace: str
    template: str
    name: str
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)

    @property
    def own_annotations(self) -> dict[str, str]:
        """The user's annotations; a key to restore from is nothing that a user may ask for (SS-A6)."""
        return {key: value for key, value in self.annotations.items() if key != SNAPSHOT_KEY}


@dataclass(frozen=True)
class Session:
    """A session that can be used."""

    id: str
    name: str
    namespace: str
    template: str
    address: str
    port: int

    def as_json(self) -> dict[str, Any]:
        """The answer to its user."""
        return {
            "sessionId": self.id,
            "name": self.name,
            "namespace": self.namespace,
            "template": self.template,
            "address": self.address,
            "port": self.port,
            "endpoint": f"http://{self.address}:{self.port}",
        }


class Sessions:
    """Creates and deletes sessions. `limit`: seconds until one that cannot be used is given up."""

    def __init__(self, api: Api, objects: Objects, lookup: Lookup, pools: Pools, limit: float) -> None:
        self.api = api
        self.objects = objects
        self.lookup = lookup
        self.pools = pools
        self.limit = limit

    async def create(self, wish: Wish) -> tuple[Session, Intent]:
        """A session, and how it was started. Raises Refused, and what the API server does."""
        template, candidates = await asyncio.gather(
            self.api.get(SandboxTemplate, wish.namespace, wish.template),
            self.lookup.candidates(wish.namespace, wish.template),
        )
        if template is None:
            raise Refused(404, f"SandboxTemplate {wish.namespace}/{wish.template} not found")
        return await self.start(str(uuid.uuid4()), wish, template, candidates)

    async def start(
        self, session: str, wish: Wish, template: Object, candidates: Sequence[Object]
    ) -> tuple[Session, Intent]:
        """Take one of the two paths, and only that one (SS-W1)."""
        pool = await self.pools.with_free_slot(template)
        if pool is not None:
            with self.pools.promised(pool):
                return await self.claimed(session, wish, template, pool), Intent(
                    None, "a pool had a free slot"
                )
        intent = await self.lookup.intent(template, candidates)
        return await self.own(session, wish, template, intent), intent

    # -- a Sandbox of its own ---------------------------------------------

    async def own(self, session: str, wish: Wish, template: Object, intent: Intent) -> Session:
        """A session in a Sandbox that is made for it."""
        return await self._until_usable(
            Sandbox, self.sandbox(session, wish, template, intent), session, template
        )

    def sandbox(self, session: str, wish: Wish, template: Object, intent: Intent) -> dict[str, Any]:
        """The Sandbox of a session; its Pod gets the key when it is made, not later (SS-S1)."""
        annotations = {**wish.own_annotations, SESSION_ID: session}
        if intent.key is not None:
            annotations[SNAPSHOT_KEY] = intent.key
        return {
            "apiVersion": f"{AGENTS_GROUP}/{AGENTS_VERSION}",
            "kind": "Sandbox",
            "metadata": self.metadata(session, wish),
            "spec": sandbox_spec(template, labels=wish.labels, annotations=annotations, pod=self.pod(intent)),
        }

    def pod(self, intent: Intent) -> dict[str, Any]:
        """What a session's Pod spec has beyond the template's: nothing, the scheduler places it (SS-S6)."""
        return {}

    # -- a slot of a pool --------------------------------------------------

    async def claimed(self, session: str, wish: Wish, template: Object, pool: Object) -> Session:
        """A session in a Sandbox that a pool has ready."""
        return await self._until_usable(SandboxClaim, self.claim(session, wish, pool), session, template)

    def claim(self, session: str, wish: Wish, pool: Object) -> dict[str, Any]:
        """The claim of a session."""
        annotations = {**wish.own_annotations, SESSION_ID: session}
        return {
            "apiVersion": f"{EXTENSIONS_GROUP}/{AGENTS_VERSION}",
            "kind": "SandboxClaim",
            "metadata": self.metadata(session, wish),
            "spec": {
                "warmPoolRef": {"name": name_of(pool)},
                "additionalPodMetadata": {"labels": dict(wish.labels), "annotations": annotations},
            },
        }

    # -- both --------------------------------------------------------------

    def metadata(self, session: str, wish: Wish) -> dict[str, Any]:
        """Metadata of a session's Sandbox or claim."""
        return {"name": wish.name, "namespace": wish.namespace, "labels": {SESSION_ID: session}}

    async def _until_usable(
        self, kind: Any, body: Mapping[str, Any], session: str, template: Object
    ) -> Session:
        """Create a Sandbox or claim and return when it is Ready; if it will not be, it is deleted again."""
        key = namespace_of(body), name_of(body)
        async with self.objects.states(kind, key) as states:
            try:
                made = await self.api.create(kind, body)
            except ApiError as err:
                raise Refused(status_of(err), str(err.status.message)) from err
            try:
                async with asyncio.timeout(self.limit):
                    ready = await self._ready(made, states)
            except TimeoutError as err:
                await self.api.delete(kind, made)
                raise Refused(504, f"{key[0]}/{key[1]} was not Ready within {self.limit:g} s") from err
            except (Refused, asyncio.CancelledError):
                await self.api.delete(kind, made)
                raise
        status = ready["status"]
        claimed = status.get("sandbox") or {}
        addresses: Any = status.get("podIPs") or claimed.get("podIPs")
        return Session(
            session,
            claimed.get("name") or key[1],
            key[0],
            name_of(template),
            addresses[0],
            port_of(template),
        )

    async def _ready(self, made: Object, states: asyncio.Queue[Object | None]) -> Object:
        """The first state of an object in which it is Ready and has an address. Raises Refused."""
        found: Object | None = made
        while True:
            if found is None:
                raise Refused(502, f"{namespace_of(made)}/{name_of(made)} was deleted before it was Ready")
            if is_usable(found):
                return found
            if (why := hopeless(found)) is not None:
                raise Refused(502, f"{namespace_of(made)}/{name_of(made)} cannot become Ready: {why}")
            found = await states.get()

    async def delete(self, namespace: str, session: str) -> bool:
        """Delete a session; whether there was one."""
        found = [
            (kind, made)
            for kind in (SandboxClaim, Sandbox)
            for made in await self.api.list(kind, namespace, {SESSION_ID: session})
        ]
        for kind, made in found:
            await self.api.delete(kind, made)
        return bool(found)


def new_name() -> str:
    """A name for a session whose user gave none."""
    return f"session-{secrets.token_hex(6)}"


def port_of(template: Object) -> int:
    """The port on which a template's Pods serve: the first that one of its containers names."""
    for container in pod_spec(template)["containers"]:
        for port in container.get("ports") or ():
            return int(port["containerPort"])
    return _DEFAULT_PORT


def is_usable(found: Object) -> bool:
    """Whether a Sandbox or claim is Ready and has an address."""
    status = found.get("status") or {}
    ready = _condition(found, "Ready")
    addresses = status.get("podIPs") or (status.get("sandbox") or {}).get("podIPs")
    return ready is not None and ready["status"] == "True" and bool(addresses)


def hopeless(found: Object) -> str | None:
    """Why a Sandbox or claim never becomes Ready, None if it may."""
    finished = _condition(found, "Finished")
    if finished is not None and finished["status"] == "True":
        return f"{finished['reason']}: {finished.get('message', '')}"
    ready = _condition(found, "Ready")
    if ready is not None and ready["status"] == "False" and ready["reason"] in _HOPELESS_CLAIM:
        return f"{ready['reason']}: {ready.get('message', '')}"
    return None


def _condition(found: Object, kind: str) -> Mapping[str, Any] | None:
    conditions = (found.get("status") or {}).get("conditions") or ()
    return next((c for c in conditions if c["type"] == kind), None)


#: What the API server raises.
SERVER_ERRORS: Final = (httpx2.HTTPError,)
