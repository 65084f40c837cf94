"""Wrong gateways: each is one override of the right one, named as in contract section 10.

A mutant is switched on before the gateway is made and stays on for the life of the process.
"""

from __future__ import annotations

import asyncio
import dataclasses
import itertools
import secrets
from collections.abc import Callable, Iterable
from typing import Any

from aiohttp import web

from reference.informer import Object
from reference.rollout import names, roles
from reference.rollout.actors import Actor
from reference.rollout.gateway.dialects import DIALECTS, Dialect
from reference.rollout.gateway.server import Gateway
from reference.rollout.gateway.turns import Turn, Turns
from reference.rollout.roles import Template


def _every_dialect(**changes: Any) -> None:
    for name, dialect in DIALECTS.items():
        DIALECTS[name] = dataclasses.replace(dialect, **changes)


def split_brain() -> None:
    """Requests go to the active template and to the one before it in turns."""
    turn = itertools.count()

    def resolve(self: Dialect, templates: Iterable[Template], agent: Object) -> Template | None:
        ready = [t for t in roles.in_order(self.templates(templates, agent), self.name) if roles.is_ready(t)]
        return ready[next(turn) % min(2, len(ready))] if ready else None

    setattr(Dialect, "resolve", resolve)  # noqa: B010  a method is replaced


def serve_unready() -> None:
    """New work goes to the newest template, whether it is Ready or not."""

    def resolve(self: Dialect, templates: Iterable[Template], agent: Object) -> Template | None:
        return next(iter(roles.in_order(self.templates(templates, agent), self.name)), None)

    setattr(Dialect, "resolve", resolve)  # noqa: B010


def order_by_creation() -> None:
    """New work goes to the youngest Ready template, whatever place it has in the order."""

    def resolve(self: Dialect, templates: Iterable[Template], agent: Object) -> Template | None:
        mine = self.templates(templates, agent)
        return roles.active(mine, "v1") or next(iter(roles.in_order(mine, "v1")), None)

    setattr(Dialect, "resolve", resolve)  # noqa: B010


def sticky_session() -> None:
    """A session stays with the template that served it first."""
    first: dict[tuple[str, str], str] = {}
    right = Turns.resolve

    async def resolve(self: Turns, agent: Object, session: str) -> Template:
        found = await right(self, agent, session)
        namespace = agent["metadata"]["namespace"]
        name = first.setdefault((agent["metadata"]["uid"], session), found["metadata"]["name"])
        return self._objects.template(namespace, name) or found

    setattr(Turns, "resolve", resolve)  # noqa: B010


def salt_id() -> None:
    """Every request has an actor of its own."""

    def actor_on(self: Dialect, template: Template, agent: Object, session: str) -> str:
        return f"asr-{secrets.token_hex(12)}"

    setattr(Dialect, "actor_on", actor_on)  # noqa: B010


def raw_session_id() -> None:
    """Ids are readable where they fit, so that different sessions share some."""
    _every_dialect(actor=names.v1_actor_id)


def no_hold() -> None:
    """A request is passed on without asking whether its actor can be reached."""

    async def reached(self: Turns, turn: Turn, actor: Actor) -> None:
        return None

    setattr(Turns, "_reached", reached)  # noqa: B010


def no_buffer() -> None:
    """A request fails at once where no worker is free."""
    _every_dialect(buffers=False)


def no_reresolve() -> None:
    """A template that is gone ends the request."""
    right = Turns._create

    async def create(self: Turns, turn: Turn, template: Template) -> Actor:
        kept, self._dialect = self._dialect, dataclasses.replace(self._dialect, leases=False)
        try:
            return await right(self, turn, template)
        finally:
            self._dialect = kept

    setattr(Turns, "_create", create)  # noqa: B010


def delete_active_only() -> None:
    """The end of a session removes its actor of the active template alone."""

    def actors_of(self: Dialect, templates: Iterable[Template], agent: Object, session: str) -> list[str]:
        found = self.resolve(templates, agent)
        return [] if found is None else [self.actor_on(found, agent, session)]

    setattr(Dialect, "actors_of", actors_of)  # noqa: B010


def no_suspend() -> None:
    """Actors run on after their last turn."""

    async def suspend(self: Turns, atespace: str, actor: str) -> None:
        return None

    setattr(Turns, "_suspend", suspend)  # noqa: B010


def suspend_recompute() -> None:
    """The actor to suspend is worked out when the body has ended."""
    _every_dialect(recomputes=True)


def no_inflight_count() -> None:
    """The first turn that ends suspends the actor under the others."""
    _every_dialect(counts_turns=False)


def double_resume() -> None:
    """A running actor is resumed, too."""
    right = Turns._ensure

    async def ensure(self: Turns, turn: Turn, template: Template) -> Actor:
        actor = await right(self, turn, template)
        return await self._actors.resume(turn.atespace, actor.id)

    setattr(Turns, "_ensure", ensure)  # noqa: B010


def request_cut() -> None:
    """Open answers of a template are cut when a more desired one becomes Ready."""
    right = Gateway._pass_on

    async def pass_on(self: Gateway, request: web.Request, body: bytes, actor: str) -> web.StreamResponse:
        namespace, name = request.match_info["namespace"], request.match_info["agent"]

        agent = await self._objects.agent(namespace, name)

        def ready() -> int:
            mine = (
                []
                if agent is None
                else DIALECTS["v1_safe"].templates(self._objects.templates(namespace), agent)
            )
            return len([t for t in mine if roles.is_ready(t)])

        async def until_flip() -> None:
            before = ready()
            while ready() <= before:
                await asyncio.sleep(0.02)

        answer = asyncio.ensure_future(right(self, request, body, actor))
        flip = asyncio.ensure_future(until_flip())
        try:
            await asyncio.wait((answer, flip), return_when=asyncio.FIRST_COMPLETED)
            if not answer.done() and request.transport is not None:
                request.transport.abort()
            return await answer
        finally:
            flip.cancel()
            answer.cancel()

    setattr(Gateway, "_pass_on", pass_on)  # noqa: B010


MUTANTS: dict[str, Callable[[], None]] = {
    wrong.__name__.replace("_", "-"): wrong
    for wrong in (
        split_brain,
        serve_unready,
        order_by_creation,
        sticky_session,
        salt_id,
        raw_session_id,
        no_hold,
        no_buffer,
        no_reresolve,
        delete_active_only,
        no_suspend,
        suspend_recompute,
        no_inflight_count,
        double_resume,
        request_cut,
    )
}
