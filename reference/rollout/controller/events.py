"""Kubernetes Events about an agent: one object per agent, reason and subject, renewed at most once a minute.

What was said last is in the Event itself, so a controller that was restarted keeps to the same limit.
"""

from __future__ import annotations

import datetime
import hashlib
import logging
from collections.abc import Callable
from typing import Any

import httpx2

from reference.rollout.controller.api import Api, Event
from reference.rollout.controller.objects import Object, as_time, from_time, name_of, namespace_of, uid_of

_LOG = logging.getLogger(__name__)

COMPONENT = "rollout-controller"


class Recorder:
    """Writes Events; a failure to do so is logged and never fails a pass."""

    def __init__(self, api: Api, now: Callable[[], datetime.datetime], interval: datetime.timedelta) -> None:
        self._api = api
        self._now = now
        self._interval = interval

    async def warn(self, agent: Object, reason: str, subject: str, message: str) -> None:
        """Say something about `subject`, at most once per interval."""
        name = self._name(agent, reason, subject)
        now = self._now()
        try:
            before = await self._api.get(Event, namespace_of(agent), name)
            if before is None:
                await self._api.create(Event, self._event(agent, name, reason, message, now))
            elif now - from_time(before["lastTimestamp"]) >= self._interval:
                again = {"count": before["count"] + 1, "lastTimestamp": as_time(now), "message": message}
                await self._api.patch(Event, before, again)
        except httpx2.HTTPError as err:
            _LOG.warning("event not written", extra={"reason": reason, "error": repr(err)})

    @staticmethod
    def _name(agent: Object, reason: str, subject: str) -> str:
        text = f"{uid_of(agent)}/{reason}/{subject}"
        return f"{name_of(agent)[:200]}.{hashlib.sha256(text.encode()).hexdigest()[:16]}"

    @staticmethod
    def _event(agent: Object, name: str, reason: str, message: str, now: datetime.datetime) -> dict[str, Any]:
        return {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": name, "namespace": namespace_of(agent)},
            "involvedObject": {
                "apiVersion": agent["apiVersion"],
                "kind": agent["kind"],
                "name": name_of(agent),
                "namespace": namespace_of(agent),
                "uid": uid_of(agent),
            },
            "reason": reason,
            "message": message,
            "type": "Warning",
            "source": {"component": COMPONENT},
            "firstTimestamp": as_time(now),
            "lastTimestamp": as_time(now),
            "count": 1,
        }
