"""The way of a request to an actor: the part of Substrate's router (atenet) that a gateway needs.

`Host: <actor>.actors.local` or `<actor>.<atespace>.actors.local`, or the header `X-Actor-Id` (with
`X-Atespace`) says which actor. It must be RUNNING: anything else is answered 503, and resumes nothing. An
answer is passed on as it comes; when its actor goes away in the middle of it, the client's connection is cut.
"""

from __future__ import annotations

import logging
from typing import Final

import aiohttp
from aiohttp import web

from reference.relay import relay
from reference.rollout.ateapi import Status
from reference.rollout.substrate.herder import Herder
from reference.rollout.substrate.model import Actor, ActorRef
from reference.rollout.substrate.store import Store, Workload
from reference.rollout.workload import FREEZE_PATH

_LOG = logging.getLogger(__name__)

HOST_SUFFIX: Final = ".actors.local"


class Router:
    """One HTTP application for all actors."""

    def __init__(self, store: Store, herder: Herder) -> None:
        self._store = store
        self._herder = herder

    def application(self) -> web.Application:
        """What to serve. Bodies of any size pass."""
        application = web.Application(client_max_size=2**40)
        application.router.add_route("*", "/{path:.*}", self._pass)
        return application

    async def _pass(self, request: web.Request) -> web.StreamResponse:
        actor = await self._find(request)
        if actor is None:
            return _unavailable("no such actor")
        workload = self._store.workload(actor.ref)
        if actor.status is not Status.RUNNING or workload is None:
            return _unavailable(f"actor {actor.ref} is {actor.status}")
        if request.path == FREEZE_PATH:
            return web.Response(status=404)
        return await self._exchange(request, workload)

    async def _find(self, request: web.Request) -> Actor | None:
        """The actor that a request names, None if there is none or its name alone does not say which."""
        host, _, _ = request.host.partition(":")
        named = host.removesuffix(HOST_SUFFIX) if host.endswith(HOST_SUFFIX) else ""
        name, _, atespace = named.partition(".")
        name = request.headers.get("X-Actor-Id", name)
        atespace = request.headers.get("X-Atespace", atespace)
        if atespace:
            ref = ActorRef(atespace, name)
            return self._store.actor(ref) if self._store.has_actor(ref) else None
        candidates = self._store.actors_named(name)
        return candidates[0] if len(candidates) == 1 else None

    async def _exchange(self, request: web.Request, workload: Workload) -> web.StreamResponse:
        try:
            url = f"http://127.0.0.1:{workload.port}{request.rel_url}"
            return await relay(request, self._herder.session, url)
        except aiohttp.ClientError as err:
            _LOG.warning("actor unreachable", extra={"actor": workload.ref.id, "error": repr(err)})
            return _unavailable(f"actor {workload.ref} does not answer")


def _unavailable(text: str) -> web.Response:
    return web.Response(status=503, text=f"{text}\n")
