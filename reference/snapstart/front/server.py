"""The front's HTTP side: sessions are created by POST and deleted by DELETE."""

from __future__ import annotations

import json
import logging
import time
from typing import Any, Final

import httpx2
import prometheus_client
from aiohttp import web

from reference.snapstart.front.lookup import Intent
from reference.snapstart.front.sessions import Refused, Session, Sessions, Wish, new_name

_LOG = logging.getLogger(__name__)

PATH: Final = "/v1/code-interpreter"

RESTORE_INTENT: Final = "restore_intent"
COLD_START: Final = "cold_start"


class Metrics:
    """What /metrics shows."""

    def __init__(self) -> None:
        self.registry = prometheus_client.CollectorRegistry()
        self.intents = prometheus_client.Counter(
            "agentcube_snapshot_restore_intent",
            "Sessions created, by whether their Pod was given a key to restore from.",
            ["mode", "result"],
            registry=self.registry,
        )
        self.requests = prometheus_client.Counter(
            "snapstart_front_requests",
            "Requests that have ended, by HTTP status.",
            ["method", "status"],
            registry=self.registry,
        )
        self.seconds = prometheus_client.Histogram(
            "snapstart_front_session_seconds",
            "Time until a session can be used.",
            ["path"],
            buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60),
            registry=self.registry,
        )

    def count(self, intent: Intent) -> None:
        """A session was created."""
        self.intents.labels(intent.mode, RESTORE_INTENT if intent.key is not None else COLD_START).inc()


class Front:
    """Answers requests about sessions."""

    def __init__(self, sessions: Sessions, metrics: Metrics) -> None:
        self._sessions = sessions
        self._metrics = metrics

    def application(self) -> web.Application:
        """What serves the requests of users."""
        application = web.Application()
        application.router.add_post(PATH, self._create)
        application.router.add_delete(PATH + "/{namespace}/{session}", self._delete)
        return application

    async def _create(self, request: web.Request) -> web.Response:
        began = time.monotonic()
        try:
            wish = wish_of(await request.read())
            session, intent = await self._sessions.create(wish)
        except Refused as err:
            return self._answer("POST", err.status, {"error": str(err)})
        except httpx2.HTTPError as err:
            return self._answer("POST", 503, {"error": f"Kubernetes API: {err}"})
        self._metrics.count(self.counted(intent))
        self._metrics.seconds.labels("restore" if intent.key is not None else "other").observe(
            time.monotonic() - began
        )
        _LOG.info(
            "session created",
            extra={"session": session.id, "sandbox": session.name, "key": intent.key, "why": intent.why},
        )
        return self._answer("POST", 200, self.shown(session, intent))

    def counted(self, intent: Intent) -> Intent:
        """The intent that a session is counted with."""
        return intent

    def shown(self, session: Session, intent: Intent) -> dict[str, Any]:
        """The answer: it does not say how the session was started (SS-S5)."""
        return session.as_json()

    async def _delete(self, request: web.Request) -> web.Response:
        namespace, session = request.match_info["namespace"], request.match_info["session"]
        try:
            found = await self._sessions.delete(namespace, session)
        except httpx2.HTTPError as err:
            return self._answer("DELETE", 503, {"error": f"Kubernetes API: {err}"})
        if not found:
            return self._answer("DELETE", 404, {"error": f"session {namespace}/{session} not found"})
        return self._answer("DELETE", 200, {"sessionId": session})

    def _answer(self, method: str, status: int, body: dict[str, Any]) -> web.Response:
        self._metrics.requests.labels(method, status).inc()
        return web.json_response(body, status=status)


def wish_of(body: bytes) -> Wish:
    """What a request asks for. Raises Refused(400)."""
    try:
        asked = json.loads(body)
        metadata = asked.get("metadata") or {}
        wish = Wish(
            _text(asked, "namespace"),
            _text(asked, "template"),
            _text(asked, "name") if asked.get("name") is not None else new_name(),
            _texts(metadata, "labels"),
            _texts(metadata, "annotations"),
        )
    except (ValueError, AttributeError, TypeError) as err:
        raise Refused(400, f"no request for a session: {err}") from err
    return wish


def _text(asked: Any, field: str) -> str:
    value = asked.get(field)
    if not isinstance(value, str) or not value:
        raise ValueError(f"{field} has to be a text that is not empty")
    return value


def _texts(asked: Any, field: str) -> dict[str, str]:
    found = asked.get(field) or {}
    if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
        raise ValueError(f"metadata.{field} has to be an object of texts")
    return found
