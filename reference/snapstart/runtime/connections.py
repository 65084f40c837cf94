"""The connections of a runtime at its safe point: of clients, hosts and drivers.

The memory of this process is what sessions are made of. So nothing of what a client sends is kept but the
head of its request, and the bytes that held the rest are overwritten.
"""

from __future__ import annotations

import json
import socket
from enum import Enum, auto
from http import HTTPStatus
from typing import Final, Protocol

from reference.snapstart.inject.machine import Conversation
from reference.snapstart.runtime import control
from reference.snapstart.runtime.api import Response, Runtime

#: Most bytes of the head of a request.
HEAD_LIMIT: Final = 16 * 1024
#: Seconds that a peer may take to read an answer, which is short.
_SEND_LIMIT: Final = 1.0
_CHUNK: Final = 65536


class Fate(Enum):
    """What becomes of a connection that was read from."""

    OPEN = auto()
    CLOSED = auto()
    #: It is handed over with the order that came on it.
    ORDERED = auto()


class Connection(Protocol):
    """A connection that was accepted."""

    @property
    def socket(self) -> socket.socket:
        """Its socket."""
        ...

    def readable(self) -> Fate:
        """Take what has come."""
        ...

    def ended(self) -> None:
        """It is at its end."""
        ...


class Page:
    """One request for a page."""

    def __init__(self, accepted: socket.socket, runtime: Runtime) -> None:
        self.socket = accepted
        self.runtime = runtime
        self._buffer = bytearray(HEAD_LIMIT)
        self._used = 0
        self._answered = False
        accepted.settimeout(_SEND_LIMIT)

    def readable(self) -> Fate:
        """Answer as soon as the head is there, then read on to the end of what the client sends."""
        try:
            size = self.socket.recv_into(memoryview(self._buffer)[self._used :])
            if not size:
                return Fate.CLOSED
            if not self._answered:
                self._used += size
                self._answer()
            if self._answered:
                self._overwrite()
        except OSError:
            return Fate.CLOSED
        return Fate.OPEN

    def ended(self) -> None:
        """Nothing depends on it."""
        self._overwrite()

    def respond(self, method: str, path: str) -> Response:
        """What the request is answered with."""
        try:
            return self.runtime.respond(method, path, b"")
        except OSError as err:
            return Response(HTTPStatus.INTERNAL_SERVER_ERROR, {"error": str(err)})

    def _answer(self) -> None:
        end = self._buffer.find(b"\r\n\r\n", 0, self._used)
        if end >= 0:
            words = bytes(self._buffer[: self._buffer.find(b"\r\n")]).decode("latin-1").split(" ")
            response = (
                self.respond(words[0], words[1])
                if len(words) == 3
                else Response(HTTPStatus.BAD_REQUEST, {"error": "not a request"})
            )
        elif self._used == HEAD_LIMIT:
            response = Response(
                HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, {"error": f"more than {HEAD_LIMIT} bytes"}
            )
        else:
            return
        head = (
            f"HTTP/1.1 {response.status.value} {response.status.phrase}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(response.data)}\r\n"
            "Connection: close\r\n\r\n"
        )
        self.socket.sendall(head.encode() + response.data)
        # Closed with something unread, the connection would be reset, and the answer be lost with it.
        self.socket.shutdown(socket.SHUT_WR)
        self._answered = True

    def _overwrite(self) -> None:
        self._buffer[:] = bytes(HEAD_LIMIT)
        self._used = 0


class HostConnection:
    """One conversation with a host."""

    def __init__(self, accepted: socket.socket, conversation: Conversation) -> None:
        """Say what the runtime can. Raises OSError."""
        self.socket = accepted
        self._conversation = conversation
        accepted.settimeout(_SEND_LIMIT)
        try:
            accepted.sendall(conversation.greeting())
        except OSError:
            conversation.closed()
            accepted.close()
            raise

    def readable(self) -> Fate:
        """Take messages."""
        try:
            data = self.socket.recv(_CHUNK)
            if not data:
                return Fate.CLOSED
            answer = self._conversation.receive(data)
            if answer.data:
                self.socket.sendall(answer.data)
        except OSError:
            return Fate.CLOSED
        return Fate.CLOSED if answer.close else Fate.OPEN

    def ended(self) -> None:
        """What it held is held no longer."""
        self._conversation.closed()


class DriverConnection:
    """A driver that wants to capture this process."""

    def __init__(self, accepted: socket.socket, runtime: Runtime) -> None:
        self.socket = accepted
        self.order: control.Order = control.Capture()
        self._runtime = runtime
        accepted.settimeout(_SEND_LIMIT)

    def readable(self) -> Fate:
        """Take the order, unless this is not a safe point."""
        try:
            data = self.socket.recv(control.PACKET)
            packet = control.decode(data) if data else None
            if not isinstance(packet, control.Order):
                return Fate.CLOSED
            self.order = packet
            if not self._runtime.safe:
                why = f"not at a safe point: {json.dumps(self._runtime.status())}"
                self.socket.sendall(control.encode(control.Refused(why)))
                return Fate.CLOSED
        except (OSError, ValueError):
            return Fate.CLOSED
        return Fate.ORDERED

    def ended(self) -> None:
        """Nothing depends on it."""
