"""The template: a fork of the runtime at its safe point, that does nothing but fork sessions.

It has no socket but the connection of its driver, and ends with it. No message of a session's injection
passes through it: each session gets a connection of its own to the host, which the template closes unread.
"""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Callable
from typing import NoReturn

from reference.snapstart.runtime import control, forking
from reference.snapstart.runtime.boot import Boot


class Template:
    """What is forked, by the runtime once and by the template for each session."""

    def __init__(self, boot: Boot, injected: Callable[[socket.socket], NoReturn]) -> None:
        """`injected` makes a session of the process it is called in, by what comes on the connection."""
        self._boot = boot
        self.injected = injected

    def fork(self, connection: socket.socket, forget: Callable[[], None]) -> None:
        """Fork the template, and leave the driver's connection to it.

        `forget` closes in the template what belongs to this process.
        """
        forking.freeze()
        forking.fork(self._be_template, connection, forget)
        connection.close()

    def serve(self, connection: socket.socket) -> NoReturn:
        """Fork sessions as the driver asks for them, until it hangs up."""
        connection.setblocking(True)
        boot = self._boot
        connection.send(control.encode(control.Captured(os.getpid(), boot.boot_id, boot.preload_ns)))
        self.obey(connection)

    def obey(self, connection: socket.socket) -> NoReturn:
        """Take one order after the other."""
        while True:
            data, passed, _, _ = socket.recv_fds(connection, control.PACKET, 1)
            if not data:
                os._exit(0)
            order = control.decode(data)
            if isinstance(order, control.Fork) and passed:
                self.start(connection, order, socket.socket(fileno=passed[0]))

    def start(self, connection: socket.socket, order: control.Fork, host: socket.socket) -> None:
        """Fork a process that becomes a session."""
        pid = forking.fork(self.be_session, connection, host)
        host.close()
        connection.send(control.encode(control.Forked(order.number, pid)))

    def be_session(self, connection: socket.socket, host: socket.socket) -> NoReturn:
        """Become the session that the host describes."""
        connection.close()
        os.setsid()
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        self.injected(host)

    def clear_descriptors(self, connection: socket.socket) -> None:
        """Leave the template nothing but its connection."""
        forking.clear_descriptors(connection.fileno())

    def _be_template(self, connection: socket.socket, forget: Callable[[], None]) -> NoReturn:
        os.setsid()
        forget()
        self.clear_descriptors(connection)
        os.chdir("/")
        # Whoever forks sessions need not wait for them.
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        self.serve(connection)
