"""A queue of keys to reconcile: level-triggered, each key once at a time, failures again with backoff.

A key that is added while it waits is done once; one that is added while it is being done is done again after.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Hashable
from typing import Final, Generic, TypeVar

_LOG = logging.getLogger(__name__)

K = TypeVar("K", bound=Hashable)

#: Seconds before a failed key is tried again: the first time; each further failure doubles it.
FIRST_BACKOFF: Final = 0.005


class WorkQueue(Generic[K]):
    """Keys to reconcile, for one event loop. `longest_backoff` in seconds."""

    def __init__(self, *, longest_backoff: float) -> None:
        self._longest = longest_backoff
        self._ready: asyncio.Queue[K] = asyncio.Queue()
        self._waiting: set[K] = set()
        self._under_way: set[K] = set()
        self._failures: dict[K, int] = {}
        self._timers: dict[K, asyncio.TimerHandle] = {}

    def __len__(self) -> int:
        """How many keys wait or are being done; those that wait for a time are not counted."""
        return len(self._waiting | self._under_way)

    def add(self, key: K) -> None:
        """Reconcile a key as soon as possible."""
        if key not in self._waiting:
            self._waiting.add(key)
            if key not in self._under_way:
                self._ready.put_nowait(key)

    def add_after(self, key: K, seconds: float) -> None:
        """Reconcile a key after a time, or at an earlier one that was asked for already."""
        loop = asyncio.get_running_loop()
        timer = self._timers.get(key)
        if timer is not None and not timer.cancelled() and timer.when() <= loop.time() + seconds:
            return
        if timer is not None:
            timer.cancel()
        self._timers[key] = loop.call_later(seconds, self._due, key)

    async def work(
        self,
        reconcile: Callable[[K], Awaitable[float | None]],
        expected: tuple[type[Exception], ...] = (),
    ) -> None:
        """Reconcile one key after the other until cancelled; call it n times for n workers.

        `reconcile(key)` returns after how many seconds it wants to be called again, or None. What it raises
        is logged, with a traceback unless it is `expected`, and the key is tried again after a growing pause.
        """
        while True:
            key = await self._ready.get()
            self._waiting.discard(key)
            self._under_way.add(key)
            try:
                again = await reconcile(key)
            except expected as err:
                self._retry(key, err, with_traceback=False)
            except Exception as err:  # noqa: BLE001 - one key's trouble is no reason to leave the others
                self._retry(key, err, with_traceback=True)
            else:
                self._failures.pop(key, None)
                if again is not None:
                    self.add_after(key, again)
            finally:
                self._under_way.discard(key)
                if key in self._waiting:
                    self._ready.put_nowait(key)

    def _due(self, key: K) -> None:
        del self._timers[key]
        self.add(key)

    def _retry(self, key: K, error: Exception, *, with_traceback: bool) -> None:
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        pause = min(FIRST_BACKOFF * 2.0 ** min(failures, 30), self._longest)
        details = {"key": key, "error": repr(error), "after_s": pause}
        _LOG.warning("reconcile failed", extra=details, exc_info=error if with_traceback else None)
        self.add_after(key, pause)
