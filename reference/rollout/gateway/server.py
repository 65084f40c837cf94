"""The gateway's HTTP side: the A2A path, passed on to actors as it comes, the end of sessions, and counts."""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

import aiohttp
import grpc.aio
import httpx2
import prometheus_client
from aiohttp import web
from lightkube import ApiError
from yarl import URL

from reference.informer import Object
from reference.rollout.gateway.objects import Objects
from reference.rollout.gateway.sessions import Sessions
from reference.rollout.gateway.turns import Refused, Turns, host_of

_LOG = logging.getLogger(__name__)

A2A_PATH = "/api/a2a-sandboxes/{namespace}/{agent}"
#: DELETE ends a session. kagent keeps the agent of each session in its database; here the caller names it, as
#: `?agent_ref=<namespace>/<agent>`.
SESSION_PATH = "/api/sessions/{session}"

NO_SESSION = "message contextId (session id) is required for substrate sandbox agents"

#: Headers of an answer that are about one connection, not about the answer.
_HOP_BY_HOP = frozenset({"connection", "content-length", "date", "keep-alive", "server", "transfer-encoding"})

Handler: TypeAlias = Callable[[web.Request], Awaitable[web.StreamResponse]]

#: What keeps a request from being served: a reason of our own, ate-api, the API server.
TROUBLE = (Refused, grpc.aio.AioRpcError, ApiError, httpx2.HTTPError)

#: JSON-RPC error codes.
_PARSE_ERROR, _INVALID_PARAMS, _INTERNAL = -32700, -32602, -32603


class Metrics:
    """What /metrics shows."""

    def __init__(self) -> None:
        self.registry = prometheus_client.CollectorRegistry()
        self.requests = prometheus_client.Counter(
            "gateway_requests",
            "Requests that have ended, by HTTP status.",
            ["status"],
            registry=self.registry,
        )
        self.in_flight = prometheus_client.Gauge(
            "gateway_requests_in_flight", "Requests that have not ended.", registry=self.registry
        )
        self.held = prometheus_client.Histogram(
            "gateway_held_seconds", "Time until a request has its actor.", registry=self.registry
        )


class Gateway:
    """Answers A2A requests by passing them on to actors."""

    def __init__(
        self,
        objects: Objects,
        turns: Turns,
        sessions: Sessions,
        http: aiohttp.ClientSession,
        router: URL,
        clock: Callable[[], float],
    ) -> None:
        self._objects = objects
        self._turns = turns
        self._sessions = sessions
        self._http = http
        self._router = router
        self._clock = clock
        self.metrics = Metrics()

    def application(self) -> web.Application:
        """What serves the requests of users."""
        app = web.Application(client_max_size=16 * 2**20)
        app.router.add_post(A2A_PATH, self._counted(self._answer))
        app.router.add_delete(SESSION_PATH, self._counted(self._end_session))
        return app

    def _counted(self, handler: Handler) -> Handler:
        async def handle(request: web.Request) -> web.StreamResponse:
            status = 499
            with self.metrics.in_flight.track_inprogress():
                try:
                    reply = await handler(request)
                    status = reply.status
                    return reply
                finally:
                    self.metrics.requests.labels(status).inc()

        return handle

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        try:
            message = json.loads(body)
            session = str(message["params"]["message"].get("contextId") or "").strip()
        except (ValueError, LookupError, TypeError, AttributeError) as err:
            return _error(None, 400, _PARSE_ERROR, f"no A2A message: {err!r}")
        call_id = message.get("id")
        if not session:
            return _error(call_id, 400, _INVALID_PARAMS, NO_SESSION)
        namespace, name = request.match_info["namespace"], request.match_info["agent"]
        began = self._clock()
        try:
            agent = await self._agent(namespace, name)
            async with self._turns.turn(agent, session) as turn:
                self.metrics.held.observe(self._clock() - began)
                return await self._pass_on(request, body, turn.actor)
        except _NotBegun as err:
            return _error(call_id, 502, _INTERNAL, str(err))
        except TROUBLE as err:
            status, text = _told(err)
            return _error(call_id, status, _INTERNAL, text)

    async def _end_session(self, request: web.Request) -> web.StreamResponse:
        namespace, slash, name = request.query.get("agent_ref", "").partition("/")
        if not (namespace and slash and name):
            return _outcome(400, "agent_ref is required: NAMESPACE/NAME of the session's agent")
        try:
            agent = await self._agent(namespace, name)
            await self._sessions.end(agent, request.match_info["session"].strip())
        except TROUBLE as err:
            return _outcome(*_told(err))
        return _outcome(200, "Session deleted successfully")

    async def _agent(self, namespace: str, name: str) -> Object:
        """The agent. Raises Refused 404, and what the API server says."""
        agent = await self._objects.agent(namespace, name)
        if agent is None:
            raise Refused(404, f"SandboxAgent {namespace}/{name} not found")
        return agent

    async def _pass_on(self, request: web.Request, body: bytes, actor: str) -> web.StreamResponse:
        """Send the message to the actor and its answer to the caller, chunk by chunk.

        Raises _NotBegun where the actor sent nothing, aiohttp.ClientError where its answer broke off.
        """
        headers = {
            key: value for key, value in request.headers.items() if key.lower() not in (*_HOP_BY_HOP, "host")
        }
        try:
            upstream = await self._http.post(
                self._router / "", data=body, headers=headers | {"Host": host_of(actor)}
            )
        except aiohttp.ClientError as err:
            raise _NotBegun(f"actor {actor} did not answer: {err}") from err
        async with upstream:
            reply = web.StreamResponse(
                status=upstream.status,
                headers={k: v for k, v in upstream.headers.items() if k.lower() not in _HOP_BY_HOP},
            )
            await reply.prepare(request)
            async for chunk in upstream.content.iter_any():
                await reply.write(chunk)
            await reply.write_eof()
            return reply


def _told(err: Exception) -> tuple[int, str]:
    """HTTP status and text of what keeps a request from being served."""
    if isinstance(err, Refused):
        return err.status, err.text
    if isinstance(err, grpc.aio.AioRpcError):
        return 502, f"ate-api: {err.code().name}: {err.details()}"
    return 503, f"Kubernetes API: {err}"


class _NotBegun(Exception):  # noqa: N818
    """The actor sent no answer at all."""


def _error(call_id: Any, status: int, code: int, text: str) -> web.Response:
    """A JSON-RPC error."""
    return web.json_response(
        {"jsonrpc": "2.0", "id": call_id, "error": {"code": code, "message": text}}, status=status
    )


def _outcome(status: int, message: str) -> web.Response:
    """What kagent's own API answers with."""
    return web.json_response({"error": status >= 400, "data": {}, "message": message}, status=status)
