"""The exposed process: a fork of the runtime at its safe point, that can be written to disk and read back.

It has one listening socket and is connected to nobody. What is read back goes on waiting there, as if
nothing had happened, and becomes the session of the first host that starts it.
"""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Final, NoReturn

from reference.snapstart.inject import sockets
from reference.snapstart.inject.machine import RuntimeSide, State
from reference.snapstart.runtime import control, forking
from reference.snapstart.runtime.boot import Boot

#: Seconds between two looks at whether the socket is still where it was.
_SOCKET_PERIOD: Final = 0.5


class Exposed:
    """What is forked for each image."""

    def __init__(
        self, boot: Boot, side: Callable[[], RuntimeSide], started: Callable[[RuntimeSide], NoReturn]
    ):
        """`side` makes the instance of a process; `started` serves once its session is started."""
        self._boot = boot
        self._side = side
        self._started = started

    def fork(self, connection: socket.socket, forget: Callable[[], None], inject_socket: Path) -> None:
        """Fork it, and tell the driver; `forget` closes in it what belongs to this process."""
        forking.freeze()
        forking.fork(self._be_exposed, connection, forget, inject_socket)
        connection.close()

    def _be_exposed(
        self, connection: socket.socket, forget: Callable[[], None], inject_socket: Path
    ) -> NoReturn:
        os.setsid()
        forget()
        forking.clear_descriptors(connection.fileno())
        os.chdir("/")
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        listener = sockets.listen(inject_socket)
        listener.settimeout(_SOCKET_PERIOD)
        boot = self._boot
        connection.send(control.encode(control.Captured(os.getpid(), boot.boot_id, boot.preload_ns)))
        connection.close()
        side = self._side()
        while side.state is not State.CANCELLED:
            try:
                host, _ = listener.accept()
            except TimeoutError:
                if not inject_socket.exists():
                    break
                continue
            if forking.converse(host, side.connect(), lambda: side.state):
                listener.close()
                self._started(side)
        os._exit(0)
