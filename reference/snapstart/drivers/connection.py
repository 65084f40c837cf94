"""The connection of a driver to a build process, and to the template that was forked of it."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path
from typing import Any, Final, Self

from reference.snapstart.drivers.driver import DriverError
from reference.snapstart.inject import sockets
from reference.snapstart.runtime import control

#: Seconds that a build process may take to fork what was ordered: it collects garbage first.
_CAPTURE_LIMIT: Final = 5.0


class Connection:
    """One connection, for one order."""

    def __init__(self, connected: socket.socket) -> None:
        """Take over a connected, non-blocking UNIX packet socket."""
        self._socket = connected
        self._numbers = 0
        self._loop = asyncio.get_running_loop()
        self._captured: asyncio.Future[control.Captured | control.Refused] = self._loop.create_future()
        self._forked: dict[int, asyncio.Future[control.Forked]] = {}
        self.open = True
        self._over = asyncio.Event()
        self._loop.add_reader(connected, self._readable)

    @classmethod
    def to(cls, inject_socket: Path) -> Self:
        """Connect to the build process that listens at a path. Raises DriverError."""
        try:
            return cls(sockets.connect(control.control_path(inject_socket), socket.SOCK_SEQPACKET))
        except OSError as err:
            raise DriverError("CaptureFailed", f"the build process takes no driver: {err}") from err

    async def capture(self, order: control.Order) -> control.Captured:
        """Have something forked. Raises DriverError."""
        try:
            self._socket.send(control.encode(order))
            async with asyncio.timeout(_CAPTURE_LIMIT):
                answer = await self._captured
        except TimeoutError as err:
            raise DriverError("CaptureFailed", f"nothing was forked within {_CAPTURE_LIMIT} s") from err
        except OSError as err:
            raise DriverError("CaptureFailed", f"the build process has hung up: {err}") from err
        if isinstance(answer, control.Refused):
            raise DriverError("SafePointNotProven", f"the build process refused: {answer.why}")
        return answer

    async def fork(self, host: socket.socket) -> control.Forked:
        """Have a session forked that is injected by the peer of `host`. Raises OSError."""
        self._numbers += 1
        number = self._numbers
        self._forked[number] = self._loop.create_future()
        try:
            if not self.open:
                raise ConnectionResetError("the template has ended")
            socket.send_fds(self._socket, [control.encode(control.Fork(number))], [host.fileno()])
            return await self._forked[number]
        finally:
            del self._forked[number]

    async def over(self) -> None:
        """Return when nobody has the other end any more. Raises DriverError."""
        try:
            async with asyncio.timeout(_CAPTURE_LIMIT):
                await self._over.wait()
        except TimeoutError as err:
            raise DriverError("CaptureFailed", "what was forked does not hang up") from err

    def close(self) -> None:
        """Hang up: a template ends."""
        if not self.open:
            return
        self.open = False
        self._over.set()
        self._loop.remove_reader(self._socket)
        self._socket.close()
        everybody: list[asyncio.Future[Any]] = [self._captured, *self._forked.values()]
        for waiting in everybody:
            if not waiting.done():
                waiting.set_exception(ConnectionResetError("the template has ended"))
                # Whoever waited may have given up.
                waiting.exception()

    def _readable(self) -> None:
        try:
            data = self._socket.recv(control.PACKET)
            packet = control.decode(data) if data else None
        except BlockingIOError:
            return
        except (OSError, ValueError):
            packet = None
        match packet:
            case control.Captured() | control.Refused() if not self._captured.done():
                self._captured.set_result(packet)
            case control.Forked():
                waiting = self._forked.get(packet.number)
                if waiting is not None and not waiting.done():
                    waiting.set_result(packet)
            case _:
                self.close()
