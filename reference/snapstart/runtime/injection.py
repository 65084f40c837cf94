"""Becomes the session that a host describes: holds all that it needs, then commits."""

from __future__ import annotations

import os
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from reference.snapstart.inject.messages import RejectedError, RejectReason, Task
from reference.snapstart.runtime import isolation
from reference.snapstart.runtime.api import Runtime
from reference.snapstart.runtime.placement import NAMES, Placement
from reference.snapstart.runtime.server import BACKLOG, bound
from reference.snapstart.runtime.session import Session
from reference.snapstart.runtime.witness import Start

INSTANCE_VARIABLE = "SNAPSTART_INSTANCE_ID"


@dataclass(frozen=True)
class _Held:
    """What was prepared. `behind_ns`: by how much this process's clock is behind the host's."""

    task: Task
    workspace: Path | None
    listener: socket.socket | None
    log: int | None
    behind_ns: int

    def close(self) -> None:
        if self.listener is not None:
            self.listener.close()
        if self.log is not None:
            os.close(self.log)


class Injection:
    """The `Injectable` of this process."""

    def __init__(
        self, runtime: Runtime, listener: socket.socket | None, reseed: Callable[[], None], private: bool
    ) -> None:
        """`listener` is where it serves if the host does not say; `private`: with `/tmp` of its own."""
        self._runtime = runtime
        self._own = listener
        self._reseed = reseed
        self._private = private
        self._held: _Held | None = None

    @property
    def listener(self) -> socket.socket:
        """Where the session that was committed serves."""
        assert self._held is not None
        listener = self._held.listener or self._own
        assert listener is not None
        return listener

    def prepare(self, task: Task) -> None:
        """Bind, open and look for what the session is to have. Raises RejectedError."""
        try:
            placement = Placement.of(task.env_overrides)
        except ValueError as err:
            raise RejectedError(RejectReason.PARSE_ERROR, str(err)) from err
        if placement.listen is None and self._own is None:
            raise RejectedError(RejectReason.PARSE_ERROR, "the session is not told where to listen")
        listener = None
        try:
            if placement.workspace is not None and not placement.workspace.is_dir():
                raise NotADirectoryError(f"the workspace {placement.workspace} is not a folder")
            if placement.listen is not None:
                listener = bound(*placement.listen)
            log = None
            if placement.log is not None:
                log = os.open(placement.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        except OSError as err:
            if listener is not None:
                listener.close()
            raise RejectedError(RejectReason.RESOURCE_EXHAUSTED, str(err)) from err
        # With one clock the message cannot have come before it was sent.
        behind_ns = max(0, placement.clock_ns - time.monotonic_ns())
        self._held = _Held(task, placement.workspace, listener, log, behind_ns)

    def release(self) -> None:
        """Let go of it."""
        if self._held is not None:
            self._held.close()
            self._held = None

    def commit(self) -> None:
        """Be the session; when this returns it can be connected to, and its caller has to serve."""
        assert self._held is not None
        task, workspace, log = self._held.task, self._held.workspace, self._held.log
        if log is not None:
            sys.stdout.flush()
            os.dup2(log, 1)
            os.dup2(log, 2)
            os.close(log)
        self._reseed()
        os.environ.update({k: v for k, v in task.env_overrides.items() if k not in NAMES})
        begin(self._runtime, task.task_id, task.context, workspace, self._private, self._held.behind_ns)
        if self._held.listener is not None:
            self._held.listener.listen(BACKLOG)


def begin(
    runtime: Runtime,
    instance_id: str,
    context: str,
    workspace: Path | None,
    private: bool,
    behind_ns: int = 0,
) -> None:
    """Make a process that has loaded everything one session, in its workspace; it does not serve yet."""
    assert runtime.boot is not None
    if workspace is not None:
        runtime.workspace = workspace
    os.environ[INSTANCE_VARIABLE] = instance_id
    os.chdir(runtime.workspace)
    if private:
        isolation.private_folders(runtime.workspace)
    runtime.session = Session(instance_id, context)
    runtime.start = Start.now(instance_id, runtime.boot, behind_ns)
