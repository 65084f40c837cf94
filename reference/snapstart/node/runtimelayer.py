"""The runtime layer: gives a Pod its process, restored from an artifact or started cold.

It alone knows artifacts. What it gets is a key and a namespace; what it does with a key that leads nowhere is
its policy: start cold, or fail.
"""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

import reference
from reference.processes import ProcessIdentity
from reference.snapstart.drivers.driver import Driver, Launch, NoArtifact, RestoreFailed
from reference.snapstart.kinds import MODE_BUILD
from reference.snapstart.node.ledger import Entry, Ledger
from reference.snapstart.node.metrics import Metrics
from reference.snapstart.node.pods import TOKEN_VARIABLE

_LOG = logging.getLogger(__name__)

#: Variable in the environment of everything that a node starts: its state folder.
MARK: Final = "SNAPSTART_NODE_STATE"

#: Seconds that a driver gets beyond the limit of a restore, to take away what it began.
_PATIENCE: Final = 2.0
#: So long may the address of a UNIX socket be (unix(7)), without the zero at its end.
_LONGEST_SOCKET: Final = 107


class Policy(StrEnum):
    """What becomes of a Pod whose key cannot be restored."""

    COLD = "cold"
    FAIL = "fail"


class NotRestored(Exception):  # noqa: N818 - an outcome
    """There was no restore; `result` says why, in a word of the metric."""

    def __init__(self, result: str, message: str) -> None:
        super().__init__(message)
        self.result = result


@dataclass(frozen=True)
class Options:
    """How processes are started.

    sockets: folder below which builds await their injection; its path must be short.
    module, arguments: the runtime program, and what it is told beside what every Pod's process is.
    restore_limit_s: seconds within which a restored process serves.
    """

    sockets: Path
    module: str
    policy: Policy
    restore_limit_s: float
    arguments: tuple[str, ...] = ()


class RuntimeLayer:
    """The processes of one node's Pods."""

    def __init__(self, driver: Driver | None, ledger: Ledger, options: Options, metrics: Metrics) -> None:
        self._driver = driver
        self._ledger = ledger
        self._options = options
        self._metrics = metrics
        longest = self._socket("127.255.255.255").with_name("inject.control")
        if len(os.fsencode(longest)) > _LONGEST_SOCKET:
            raise ValueError(f"{longest} is too long for a socket; give a shorter --sockets folder")

    @property
    def policy(self) -> Policy:
        """What becomes of a Pod whose key cannot be restored."""
        return self._options.policy

    async def restore(self, entry: Entry, environment: Mapping[str, str]) -> ProcessIdentity:
        """Restore a Pod's process from the artifact of its key. Raises NotRestored, in bounded time."""
        try:
            process = await self._restored(entry, environment)
        except NotRestored as err:
            self._metrics.restores.labels(err.result).inc()
            details = {"pod": entry.request.name, "key": entry.request.key, "why": str(err)}
            _LOG.warning("not restored", extra=details)
            raise
        self._metrics.restores.labels("restored").inc()
        return process

    async def start(self, entry: Entry, environment: Mapping[str, str]) -> ProcessIdentity:
        """Start a Pod's process, cold or as a build. Raises OSError."""
        socket = self._socket(entry.address)
        self.cleaned(entry)
        socket.parent.mkdir(parents=True)
        workspace = self._ledger.workspace(entry.uid)
        with self._ledger.log(entry.uid).open("ab") as log:
            child = subprocess.Popen(
                self._command(entry, socket, workspace),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=workspace,
                env=self._environment(entry, environment),
                # Signals to the node, as Ctrl-C sends them, are not for Pods.
                start_new_session=True,
            )
        process = ProcessIdentity.of(child.pid)
        # Waited for by its descriptor, not by this handle.
        child.returncode = 0
        return process

    def socket(self, entry: Entry) -> Path:
        """Where the process of a Pod awaits its injection."""
        return self._socket(entry.address)

    def cleaned(self, entry: Entry) -> None:
        """The Pod is gone: remove what its process left outside its own folder."""
        shutil.rmtree(self._socket(entry.address).parent, ignore_errors=True)

    async def _restored(self, entry: Entry, environment: Mapping[str, str]) -> ProcessIdentity:
        request, limit = entry.request, self._options.restore_limit_s
        if self._driver is None:
            raise NotRestored("no_artifact", "the node has no driver")
        launch = Launch(
            instance_id=request.uid,
            address=entry.address,
            port=request.port,
            workspace=self._ledger.workspace(entry.uid),
            environment={**environment, TOKEN_VARIABLE: entry.token},
            context=request.context,
            log=self._ledger.log(entry.uid),
            limit_s=limit,
        )
        try:
            async with asyncio.timeout(limit + _PATIENCE):
                instance = await self._driver.restore(request.namespace, request.key, launch)
            return ProcessIdentity.of(instance.pid)
        except NoArtifact as err:
            raise NotRestored("no_artifact", f"no artifact on this node: {err}") from err
        except TimeoutError as err:
            raise NotRestored("timeout", f"the restore took longer than {limit:g} s") from err
        except (RestoreFailed, OSError) as err:
            raise NotRestored("failed", f"the restore failed: {err}") from err

    def _socket(self, address: str) -> Path:
        return self._options.sockets / address / "inject"

    def _command(self, entry: Entry, socket: Path, workspace: Path) -> Sequence[str]:
        request = entry.request
        command = [
            *(sys.executable, "-m", self._options.module),
            *("--mode", request.mode),
            *("--address", entry.address, "--port", str(request.port)),
            *("--workspace", str(workspace)),
            *self._options.arguments,
        ]
        if request.preload is not None:
            command += ["--preload", request.preload]
        if request.mode == MODE_BUILD:
            command += ["--inject-socket", str(socket)]
        else:
            command += ["--instance-id", request.uid, "--context", request.context]
        return command

    def _environment(self, entry: Entry, environment: Mapping[str, str]) -> dict[str, str]:
        token = {} if entry.request.mode == MODE_BUILD else {TOKEN_VARIABLE: entry.token}
        # Ours last: without them the process neither starts nor is found again.
        ours = {**importable(), MARK: os.environ.get(MARK, "")}
        return {**os.environ, **environment, **token, **ours}


def importable() -> dict[str, str]:
    """Variables by which a Python process finds this project, wherever it works."""
    root = str(Path(reference.__file__).parents[1])
    known = os.environ.get("PYTHONPATH")
    return {"PYTHONPATH": f"{root}{os.pathsep}{known}" if known else root}


def now_ns() -> int:
    """The clock of all times of starts: CLOCK_MONOTONIC, the same for every process of the machine."""
    return time.monotonic_ns()
