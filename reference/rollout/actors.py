"""The actors of ate-api as gateway and controller see them, whichever shape the service has.

In the flat shape an actor is named by `actor_id` alone; in the others by an atespace and a name, where the
atespace of a session's actor is the namespace of its template and that of a golden is `ate-golden` (contract
sections 3 and 14). Those are in a reference `actor_ref`, or in one called `actor`, as kagent-dev/substrate
v0.0.9 has it, where actors have `metadata` and some replies are the object itself. Reflection says which.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Self

import grpc
import grpc.aio

from reference.rollout.reflection import AsyncReflectedService

#: Seconds until a call is given up (contract section 4).
CALL_TIMEOUT = 30.0

GOLDEN_ATESPACE = "ate-golden"

#: Actors asked for at once.
_PAGE = 1000


class State(StrEnum):
    """What an actor is doing (contract section 8)."""

    UNSPECIFIED = "UNSPECIFIED"
    RESUMING = "RESUMING"
    RUNNING = "RUNNING"
    SUSPENDING = "SUSPENDING"
    SUSPENDED = "SUSPENDED"
    PAUSING = "PAUSING"
    PAUSED = "PAUSED"
    CRASHED = "CRASHED"


#: States in which an actor may have work, or a worker: it holds its template (contract 5.1, step 2).
LIVE = frozenset({State.RESUMING, State.RUNNING, State.SUSPENDING, State.PAUSING, State.PAUSED})


@dataclass(frozen=True)
class Actor:
    """One state of one actor. `atespace` is empty where the service has none."""

    id: str
    state: State
    template_namespace: str
    template: str
    atespace: str = ""
    version: int = 0
    #: Where its memory was saved last, empty if it never was.
    snapshot: str = ""

    @classmethod
    def of(cls, message: Mapping[str, Any]) -> Self:
        """From an Actor message as a dictionary."""
        metadata = message.get("metadata", message)
        external = message.get("latest_snapshot_info", {}).get("external", {})
        return cls(
            id=str(metadata["name"] if "metadata" in message else message["actor_id"]),
            state=State(str(message["status"]).rpartition("STATUS_")[2].removeprefix("ACTOR_STATE_")),
            template_namespace=str(message["actor_template_namespace"]),
            template=str(message["actor_template_name"]),
            atespace=str(metadata.get("atespace", "")),
            version=int(metadata.get("version", 0)),
            snapshot=str(message.get("last_snapshot") or external.get("snapshot_uri_prefix", "")),
        )


class Actors:
    """Calls about actors. All raise grpc.aio.AioRpcError, with the server's code and text."""

    def __init__(self, service: AsyncReflectedService, timeout: float = CALL_TIMEOUT) -> None:
        self._service = service
        self._timeout = timeout
        self._atespaces: set[str] = set()

    async def get(self, atespace: str, actor: str) -> Actor | None:
        """The actor, None if there is none."""
        try:
            return await self._on("GetActor", atespace, actor)
        except grpc.aio.AioRpcError as err:
            if err.code() is grpc.StatusCode.NOT_FOUND:
                return None
            raise

    async def list(self) -> list[Actor]:
        """All actors, of all atespaces."""
        found: list[Actor] = []
        token = ""
        while True:
            request = {"page_size": _PAGE, "page_token": token}
            reply = await self._service.call("ListActors", request, timeout=self._timeout)
            found += map(Actor.of, reply["actors"])
            token = reply["next_page_token"]
            if not token:
                return found

    async def create(self, atespace: str, actor: str, template_namespace: str, template: str) -> Actor:
        """Create a session's actor; its atespace is made first where there is none yet."""
        request = await self._named(atespace, actor)
        if "actor_id" not in request:
            await self._ensure(atespace)
        of = {"actor_template_namespace": template_namespace, "actor_template_name": template}
        if "actor" in request:
            request = {"actor": {"metadata": request["actor"], **of}}
        else:
            request |= of
        reply = await self._service.call("CreateActor", request, timeout=self._timeout)
        return Actor.of(reply.get("actor", reply))

    async def resume(self, atespace: str, actor: str) -> Actor:
        """Resume; returns when it runs."""
        return await self._on("ResumeActor", atespace, actor)

    async def suspend(self, atespace: str, actor: str, timeout: float | None = None) -> Actor:
        """Suspend; returns when its memory is kept."""
        return await self._on("SuspendActor", atespace, actor, timeout)

    async def delete(self, atespace: str, actor: str) -> None:
        """Delete a suspended actor."""
        request = await self._named(atespace, actor)
        await self._service.call("DeleteActor", request, timeout=self._timeout)

    async def _on(self, method: str, atespace: str, actor: str, timeout: float | None = None) -> Actor:
        request = await self._named(atespace, actor)
        reply = await self._service.call(method, request, timeout=timeout or self._timeout)
        return Actor.of(reply.get("actor", reply))

    async def _named(self, atespace: str, actor: str) -> dict[str, Any]:
        """What names an actor in a request: its only field, or the first of some."""
        [field, *_] = (await self._service.schema()).fields("GetActorRequest")
        return {field: actor if field == "actor_id" else {"atespace": atespace, "name": actor}}

    async def _ensure(self, atespace: str) -> None:
        if atespace in self._atespaces:
            return
        [field, *_] = (await self._service.schema()).fields("CreateAtespaceRequest")
        request = {field: atespace if field == "name" else {"metadata": {"name": atespace}}}
        try:
            await self._service.call("CreateAtespace", request, timeout=self._timeout)
        except grpc.aio.AioRpcError as err:
            if err.code() is not grpc.StatusCode.ALREADY_EXISTS:
                raise
        self._atespaces.add(atespace)


async def step_out(actors: Actors, actor: Actor) -> None:
    """The next call on an actor's way to its deletion; none while it pauses. Raises what ate-api does.

    A paused actor cannot be suspended, it has to run again first (contract section 14).
    """
    match actor.state:
        case State.SUSPENDED | State.UNSPECIFIED | State.CRASHED:
            await actors.delete(actor.atespace, actor.id)
        case State.RUNNING | State.RESUMING | State.SUSPENDING:
            await actors.suspend(actor.atespace, actor.id)
        case State.PAUSED:
            await actors.resume(actor.atespace, actor.id)
