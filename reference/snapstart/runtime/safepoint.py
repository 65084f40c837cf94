"""The wait at the safe point: one thread that answers pages, hosts and drivers."""

from __future__ import annotations

import contextlib
import os
import selectors
import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from reference.snapstart.inject import sockets
from reference.snapstart.inject.machine import RuntimeSide, State
from reference.snapstart.runtime import control
from reference.snapstart.runtime.api import Runtime
from reference.snapstart.runtime.connections import Connection, DriverConnection, Fate, HostConnection, Page

#: Most connections at a time: the oldest makes room for a new one.
CONNECTION_LIMIT: Final = 256


@dataclass(frozen=True)
class CaptureOrder:
    """What a driver wants; the connection is the caller's now."""

    order: control.Order
    connection: socket.socket


class SafePoint:
    """The listeners and connections of a runtime in mode build."""

    #: What serves one request for a page.
    page: type[Page] = Page

    def __init__(self, runtime: Runtime, http: socket.socket) -> None:
        """Answer pages on a listening socket, which stays the caller's."""
        self._runtime = runtime
        self._selector = selectors.DefaultSelector()
        self._connections: dict[Connection, None] = {}
        self._listeners: list[socket.socket] = []
        self._names: list[tuple[int, str]] = []
        self._orders: list[CaptureOrder] = []
        self._listen(http, lambda accepted: self.page(accepted, runtime))

    def open(self, inject_socket: Path, side: RuntimeSide) -> None:
        """Listen for hosts and drivers: the safe point is reached. Raises OSError."""
        self._side = side
        self._open(
            inject_socket, socket.SOCK_STREAM, lambda accepted: HostConnection(accepted, side.connect())
        )
        self._open(
            control.control_path(inject_socket),
            socket.SOCK_SEQPACKET,
            lambda accepted: DriverConnection(accepted, self._runtime),
        )
        self._runtime.side = side

    def settle(self) -> None:
        """Answer all that has come, and wait for nothing."""
        while self._answer(0.0):
            continue

    def wait(self) -> CaptureOrder | None:
        """Serve until a driver captures this process, or (None) a host has started or cancelled it."""
        while self._side.state not in (State.STARTED, State.CANCELLED):
            if self._orders:
                return self._orders.pop(0)
            self._answer(None)
        return None

    def close(self) -> None:
        """Close all but the socket of the pages, and remove what it listened at."""
        for folder, name in self._names:
            with contextlib.suppress(FileNotFoundError):
                # By its folder's descriptor: a session may no longer see the path.
                os.unlink(name, dir_fd=folder)
        self.forget()

    def forget(self) -> None:
        """Close all but the socket of the pages, in a forked process that owns none of it."""
        # Only closing: what is taken out of the selector here would be out of it in the other process too.
        self._selector.close()
        for connection in self._connections:
            connection.socket.close()
        for listener in self._listeners:
            listener.close()
        for order in self._orders:
            order.connection.close()
        for folder, _ in self._names:
            os.close(folder)

    def _answer(self, timeout: float | None) -> bool:
        """Take what comes within `timeout` seconds (None: ever); whether anything did."""
        events = self._selector.select(timeout)
        for key, _ in events:
            key.data()
        return bool(events)

    def _open(self, path: Path, kind: socket.SocketKind, of: Callable[[socket.socket], Connection]) -> None:
        listener = sockets.listen(path, kind)
        folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        self._names.append((folder, path.name))
        self._listeners.append(listener)
        self._listen(listener, of)

    def _listen(self, listener: socket.socket, of: Callable[[socket.socket], Connection]) -> None:
        listener.setblocking(False)

        def accept() -> None:
            # The peer may be gone again, or descriptors may be short: the next event tries again.
            with contextlib.suppress(OSError):
                self._add(of(listener.accept()[0]))

        self._selector.register(listener, selectors.EVENT_READ, accept)

    def _add(self, connection: Connection) -> None:
        if len(self._connections) >= CONNECTION_LIMIT:
            self._end(next(iter(self._connections)), Fate.CLOSED)
        self._connections[connection] = None

        def readable() -> None:
            # An event of the same round may have ended it.
            if connection in self._connections:
                self._end(connection, connection.readable())

        self._selector.register(connection.socket, selectors.EVENT_READ, readable)

    def _end(self, connection: Connection, fate: Fate) -> None:
        if fate is Fate.OPEN:
            return
        del self._connections[connection]
        self._selector.unregister(connection.socket)
        connection.ended()
        if fate is Fate.ORDERED and isinstance(connection, DriverConnection):
            self._orders.append(CaptureOrder(connection.order, connection.socket))
        else:
            connection.socket.close()
