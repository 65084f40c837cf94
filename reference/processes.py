"""A process by id *and* start time, so that a reused id is never taken for it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Self

import psutil

#: Seconds by which two readings of one start time may differ: the clock may have been set in between.
TOLERANCE: Final = 0.5


@dataclass(frozen=True)
class ProcessIdentity:
    """A process of this machine. `started` is in seconds since the epoch."""

    pid: int
    started: float

    @classmethod
    def of(cls, pid: int) -> Self:
        """The process that has an id now. Raises ProcessLookupError."""
        try:
            return cls(pid, psutil.Process(pid).create_time())
        except psutil.NoSuchProcess as err:
            raise ProcessLookupError(f"there is no process {pid}") from err

    @property
    def alive(self) -> bool:
        """Whether it runs; a zombie does not."""
        try:
            process = psutil.Process(self.pid)
            same = abs(process.create_time() - self.started) <= TOLERANCE
            return same and process.status() not in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
        except psutil.NoSuchProcess:
            return False

    def send(self, number: signal.Signals) -> None:
        """Send a signal; no error if it has ended."""
        with self._descriptor() as descriptor, contextlib.suppress(ProcessLookupError):
            if descriptor is not None:
                signal.pidfd_send_signal(descriptor, number)

    async def ended(self, limit_s: float) -> bool:
        """Whether it has ended within `limit_s` seconds."""
        with self._descriptor() as descriptor:
            if descriptor is None:
                return True
            loop = asyncio.get_running_loop()
            ended = asyncio.Event()
            loop.add_reader(descriptor, ended.set)
            try:
                async with asyncio.timeout(limit_s):
                    await ended.wait()
            except TimeoutError:
                return False
            else:
                return True
            finally:
                loop.remove_reader(descriptor)

    async def kill(self, limit_s: float = 10.0) -> None:
        """SIGKILL; returns when it has ended. Raises TimeoutError after `limit_s` seconds."""
        self.send(signal.SIGKILL)
        if not await self.ended(limit_s):
            raise TimeoutError(f"process {self.pid} was killed and has not ended within {limit_s} s")

    @contextlib.contextmanager
    def _descriptor(self) -> Iterator[int | None]:
        """A handle of the process, None if it has ended."""
        try:
            descriptor = os.pidfd_open(self.pid)
        except ProcessLookupError:
            yield None
            return
        try:
            # Only now can the id not pass to another process any more.
            yield descriptor if self.alive else None
        finally:
            os.close(descriptor)
