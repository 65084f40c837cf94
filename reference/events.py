"""Kubernetes Events about an object: one per object, reason and subject, renewed at most once an interval.

What was said last is in the Event itself, so a controller that was restarted keeps to the same limit.
"""

from __future__ import annotations

import datetime
import hashlib
import logging
from collections.abc import Callable
from typing import Any

import httpx2

from reference.api import Api, Event
from reference.objects import Object, as_time, from_time, name_of, namespace_of, uid_of

_LOG = logging.getLogger(__name__)


class Recorder:
    """Writes the Events of one component; a failure to do so is logged and never fails a pass."""

    def __init__(
        self, api: Api, now: Callable[[], datetime.datetime], interval: datetime.timedelta, component: str
    ) -> None:
        self._api = api
        self._now = now
        self._interval = interval
        self._component = component

    async def warn(self, about: Object, reason: str, subject: str, message: str) -> None:
        """Warn of something about `subject`, at most once per interval."""
        await self._write(about, "Warning", reason, subject, message)

    async def tell(self, about: Object, reason: str, subject: str, message: str) -> None:
        """Tell something normal about `subject`, at most once per interval."""
        await self._write(about, "Normal", reason, subject, message)

    async def _write(self, about: Object, kind: str, reason: str, subject: str, message: str) -> None:
        name = self._name(about, reason, subject)
        now = self._now()
        try:
            before = await self._api.get(Event, namespace_of(about), name)
            if before is None:
                await self._api.create(Event, self._event(about, name, kind, reason, message, now))
            elif now - from_time(before["lastTimestamp"]) >= self._interval:
                again = {"count": before["count"] + 1, "lastTimestamp": as_time(now), "message": message}
                await self._api.patch(Event, before, again)
        except httpx2.HTTPError as err:
            _LOG.warning("event not written", extra={"reason": reason, "error": repr(err)})

    @staticmethod
    def _name(about: Object, reason: str, subject: str) -> str:
        text = f"{uid_of(about)}/{reason}/{subject}"
        return f"{name_of(about)[:200]}.{hashlib.sha256(text.encode()).hexdigest()[:16]}"

    def _event(
        self, about: Object, name: str, kind: str, reason: str, message: str, now: datetime.datetime
    ) -> dict[str, Any]:
        return {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": name, "namespace": namespace_of(about)},
            "involvedObject": {
                "apiVersion": about["apiVersion"],
                "kind": about["kind"],
                "name": name_of(about),
                "namespace": namespace_of(about),
                "uid": uid_of(about),
            },
            "reason": reason,
            "message": message,
            "type": kind,
            "source": {"component": self._component},
            "firstTimestamp": as_time(now),
            "lastTimestamp": as_time(now),
            "count": 1,
        }
