"""Ending a session: all its actors go, with what they remember (contract section 6, K2-4 and K3-4)."""

from __future__ import annotations

import asyncio

import grpc.aio

from reference.informer import Object
from reference.rollout.actors import Actors, State, step_out
from reference.rollout.gateway.dialects import Dialect
from reference.rollout.gateway.objects import Objects
from reference.rollout.gateway.turns import InUse, Refused, Turns

#: Seconds between two steps on an actor that others work on: the first pause, and the longest.
_PAUSE = (0.02, 0.5)
#: Seconds in which all actors of a session have to be gone.
_LIMIT = 30.0
#: Codes that mean that somebody else is at work on an actor, or was quicker.
_PASSING = frozenset(
    {grpc.StatusCode.ABORTED, grpc.StatusCode.FAILED_PRECONDITION, grpc.StatusCode.NOT_FOUND}
)


class Sessions:
    """Ends sessions."""

    def __init__(self, objects: Objects, actors: Actors, turns: Turns, dialect: Dialect) -> None:
        self._objects = objects
        self._actors = actors
        self._turns = turns
        self._dialect = dialect

    async def end(self, agent: Object, session: str) -> list[str]:
        """Delete the actors of a session, whatever template they are of; the ids of those that there were.

        Raises Refused: 409 while a message of the session is being answered, 504 if an actor stays;
        grpc.aio.AioRpcError as ate-api gave it.
        """
        namespace = agent["metadata"]["namespace"]
        templates = self._objects.templates(namespace)
        ended = []
        try:
            async with asyncio.timeout(_LIMIT):
                for actor in self._dialect.actors_of(templates, agent, session):
                    async with self._turns.between_turns(actor):
                        if await self._remove(namespace, actor):
                            ended.append(actor)
        except InUse as err:
            raise Refused(409, f"session {session} has an answer that goes on; end it first") from err
        except TimeoutError as err:
            raise Refused(504, f"session {session} could not be ended within {_LIMIT:.0f} s") from err
        return ended

    async def _remove(self, namespace: str, actor: str) -> bool:
        """Bring an actor to its end, step by step; whether there was one."""
        pause, was_there = _PAUSE[0], False
        while (found := await self._actors.get(namespace, actor)) is not None:
            was_there, stepped = True, found.state is not State.PAUSING
            try:
                await step_out(self._actors, found)
            except grpc.aio.AioRpcError as err:
                if err.code() not in _PASSING:
                    raise
                stepped = False
            if not stepped:
                await asyncio.sleep(pause)
                pause = min(2 * pause, _PAUSE[1])
        return was_there
