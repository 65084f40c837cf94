"""The two lives of a runtime."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from reference.snapstart.inject.machine import RuntimeSide, State
from reference.snapstart.runtime import control
from reference.snapstart.runtime.boot import boot
from reference.snapstart.runtime.forking import converse
from reference.snapstart.runtime.injection import Injection, begin
from reference.snapstart.runtime.parts import Parts
from reference.snapstart.runtime.server import BACKLOG, bound, serve


@dataclass(frozen=True)
class Options:
    """The command line.

    inject_socket: for mode build. instance_id, context: for mode cold.
    private: whether sessions get `/tmp` and `/dev/shm` of their own.
    """

    address: str
    port: int
    workspace: Path
    preload: Sequence[str]
    private: bool
    inject_socket: Path | None = None
    instance_id: str = ""
    context: str = ""


class Program:
    """One runtime."""

    def __init__(self, options: Options, parts: Parts, mode: str) -> None:
        """Bind the address. Raises OSError."""
        self._options = options
        self._parts = parts
        self._runtime = parts.runtime(mode, options.workspace)
        self._listener = bound(options.address, options.port)

    def cold(self) -> NoReturn:
        """Load, and be a session. Raises ImportError, OSError."""
        runtime, options = self._runtime, self._options
        runtime.boot = boot(options.preload)
        begin(runtime, options.instance_id, options.context, None, options.private)
        self._listener.listen(BACKLOG)
        self._serve(self._listener)

    def build(self) -> None:
        """Load, and wait at the safe point to be captured or to become a session; returns when cancelled.

        Raises ImportError, OSError.
        """
        runtime, options, parts = self._runtime, self._options, self._parts
        assert options.inject_socket is not None
        os.chdir(options.workspace)
        self._listener.listen(BACKLOG)
        safe_point = parts.safe_point(runtime, self._listener)
        runtime.boot = boot(options.preload, safe_point.settle)
        # Whoever forks templates need not wait for them.
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        self._reseeding = parts.reseeding()
        self._reseeding.find()
        injection, side = self._instance(self._listener)
        template = parts.template(runtime.boot, self._be_injected)
        exposed = parts.exposed(runtime.boot, lambda: self._instance(None)[1], self._serve_started)

        def forget() -> None:
            safe_point.forget()
            self._listener.close()

        try:
            safe_point.open(options.inject_socket, side)
            while (capture := safe_point.wait()) is not None:
                self._reseeding.find()
                match capture.order:
                    case control.Capture():
                        template.fork(capture.connection, forget)
                    case control.Expose(inject_socket):
                        exposed.fork(capture.connection, forget, Path(inject_socket))
        finally:
            safe_point.close()
        if side.state is State.STARTED:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            self._serve(injection.listener)

    def _instance(self, listener: socket.socket | None) -> tuple[Injection, RuntimeSide]:
        """What this process becomes a session by; `listener` is where it serves if the host does not say."""
        injection = self._parts.injection(self._runtime, listener, self._reseeding.now, self._options.private)
        return injection, self._parts.side(injection)

    def _be_injected(self, host: socket.socket) -> NoReturn:
        """Be the session that a host describes on a connection."""
        injection, side = self._instance(None)
        if not converse(host, side.connect(), lambda: side.state):
            os._exit(1)
        self._serve(injection.listener)

    def _serve_started(self, side: RuntimeSide) -> NoReturn:
        """Serve the session that an instance has become."""
        assert isinstance(side.injectable, Injection)
        self._serve(side.injectable.listener)

    def _serve(self, listener: socket.socket) -> NoReturn:
        assert self._runtime.session is not None
        # A connection that waits to be accepted is not refused for the moment that this takes.
        listener.setblocking(True)
        serve(listener, self._runtime)
        self._runtime.session.run()
