"""The host's side of the injection, each step within its limit."""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self, TypeVar

from reference.snapstart.inject import frames, messages, sockets
from reference.snapstart.inject.frames import FrameError
from reference.snapstart.inject.messages import Cancel, Capabilities, Commit, Message, MessageError, Prepare

M = TypeVar("M", bound=Message)
_CHUNK: Final = 65536


@dataclass(frozen=True)
class StepLimits:
    """Seconds that the runtime may take for each step."""

    connect: float = 1.0
    capabilities: float = 1.0
    ready: float = 2.0
    started: float = 4.0
    cancelled: float = 1.0

    @classmethod
    def each(cls, seconds: float) -> Self:
        """The same for all of them, where one limit spans the whole."""
        return cls(seconds, seconds, seconds, seconds, seconds)


class InjectionError(Exception):
    """The injection cannot go on. `step` is the message that was awaited, or `connect`."""

    def __init__(self, step: str, why: str) -> None:
        super().__init__(f"injection, {step}: {why}")
        self.step = step


class Host:
    """One connection to a runtime, for one injection. Use it as an asynchronous context: it closes."""

    def __init__(self, connection: socket.socket, limits: StepLimits | None = None) -> None:
        """Take over a connected, non-blocking UNIX stream socket."""
        self._connection = connection
        self._limits = limits or StepLimits()
        self._decoder = frames.Decoder()
        self._received: list[Message] = []

    @classmethod
    async def connect(cls, path: Path, limits: StepLimits | None = None) -> Self:
        """Connect to a runtime that listens at a path. Raises InjectionError."""
        limits = limits or StepLimits()
        deadline = asyncio.get_running_loop().time() + limits.connect
        while True:
            try:
                return cls(sockets.connect(path), limits)
            except BlockingIOError as err:
                # Its backlog is full, and there is no event that says when it no longer is.
                if asyncio.get_running_loop().time() > deadline:
                    why = f"{path} has not accepted within {limits.connect} s"
                    raise InjectionError("connect", why) from err
                await asyncio.sleep(0.01)
            except OSError as err:
                raise InjectionError("connect", f"nobody listens at {path}: {err}") from err

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_exception: object) -> None:
        self.close()

    @property
    def peer_pid(self) -> int:
        """The process that listens, or that made the pair of sockets."""
        found = self._connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
        return int.from_bytes(found[:4], sys.byteorder)

    async def capabilities(self) -> Capabilities:
        """What the runtime says first. Raises InjectionError, also for a protocol that is not ours."""
        found = await self._receive(Capabilities, "CAPABILITIES", self._limits.capabilities)
        if found.protocol_version != messages.PROTOCOL_VERSION:
            raise InjectionError("CAPABILITIES", f"protocol version {found.protocol_version!r}, not '1'")
        if missing := {"prepare", "commit"} - set(found.supported_features):
            raise InjectionError("CAPABILITIES", f"the runtime lacks {', '.join(sorted(missing))}")
        return found

    async def prepare(self, task_id: str, context: str, env_overrides: Mapping[str, str]) -> None:
        """Say who the session is to be; returns when the runtime is READY. Raises InjectionError."""
        await self._send(Prepare(task_id, context, dict(env_overrides)), "READY", self._limits.ready)
        await self._receive(messages.Ready, "READY", self._limits.ready)

    async def commit(self) -> None:
        """Start the session; returns when it says STARTED. Raises InjectionError."""
        await self._send(Commit(), "STARTED", self._limits.started)
        await self._receive(messages.Started, "STARTED", self._limits.started)

    async def cancel(self, reason: str) -> None:
        """Make sure that it never starts; returns when the runtime has said so, or has hung up.

        Raises InjectionError if it does neither.
        """
        await self._send(Cancel(reason), "CANCEL_ACK", self._limits.cancelled)
        try:
            await self._receive(messages.CancelAck, "CANCEL_ACK", self._limits.cancelled)
        except _HungUpError:
            return

    def close(self) -> None:
        """Hang up."""
        self._connection.close()

    async def _send(self, message: Message, step: str, limit: float) -> None:
        try:
            data = frames.encode(messages.to_body(message))
            async with asyncio.timeout(limit):
                await asyncio.get_running_loop().sock_sendall(self._connection, data)
        except FrameError as err:
            raise InjectionError(step, str(err)) from err
        except TimeoutError as err:
            raise InjectionError(step, f"the runtime has not read for {limit} s") from err
        except OSError as err:
            raise _HungUpError(step, f"the runtime has hung up ({err.strerror})") from err

    async def _receive(self, kind: type[M], step: str, limit: float) -> M:
        try:
            async with asyncio.timeout(limit):
                message = await self._next(step)
        except TimeoutError as err:
            raise InjectionError(step, f"no answer within {limit} s") from err
        if isinstance(message, messages.Reject):
            raise InjectionError(step, f"rejected as {message.reason}: {message.message}")
        if not isinstance(message, kind):
            raise InjectionError(step, f"the runtime said {messages.to_body(message)['type']} instead")
        return message

    async def _next(self, step: str) -> Message:
        while not self._received:
            try:
                data = await asyncio.get_running_loop().sock_recv(self._connection, _CHUNK)
                self._received += [messages.of_body(body) for body in self._decoder.feed(data)]
            except (FrameError, MessageError) as err:
                raise InjectionError(step, str(err)) from err
            except OSError as err:
                raise _HungUpError(step, f"the runtime has hung up ({err.strerror})") from err
            if not data:
                raise _HungUpError(step, "the runtime has hung up")
        return self._received.pop(0)


class _HungUpError(InjectionError):
    """The connection has ended."""
