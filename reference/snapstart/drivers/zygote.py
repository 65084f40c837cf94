"""`zygote.ref`: an artifact is a template process, a session a fork of it.

The template is forked from the build process (`reference.snapstart.runtime.template`) and lives as long as
the connection that this driver has to it. So artifacts do not outlive the driver's process; sessions do.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from reference.processes import ProcessIdentity
from reference.snapstart.drivers.base import BaseDriver, failed, inject
from reference.snapstart.drivers.connection import Connection
from reference.snapstart.drivers.driver import (
    Artifact,
    CreateRequest,
    DriverError,
    Instance,
    Launch,
    NoArtifact,
)
from reference.snapstart.drivers.index import Record
from reference.snapstart.drivers.proof import ProofLimits
from reference.snapstart.inject.host import Host, InjectionError, StepLimits
from reference.snapstart.runtime import control

_LOG: Final = logging.getLogger(__name__)
#: Seconds that a template may take to end after its connection.
_END_LIMIT: Final = 1.0


@dataclass(frozen=True)
class Template:
    """A template process that belongs to this driver."""

    record: Record
    process: ProcessIdentity
    connection: Connection

    @property
    def alive(self) -> bool:
        """Whether sessions can be forked of it."""
        return self.connection.open and self.process.alive

    async def end(self) -> None:
        """End it."""
        self.connection.close()
        if not await self.process.ended(_END_LIMIT):
            await self.process.kill()


class ZygoteDriver(BaseDriver):
    """Templates on one node. See `reference.snapstart.drivers.driver.Driver`."""

    name = "zygote.ref"

    def __init__(self, node: str, folder: Path, limits: ProofLimits | None = None) -> None:
        """Use a folder that is this driver's own. Raises IndexBusyError, OSError.

        Records of templates are only there to end what an earlier process left behind.
        """
        super().__init__(node, folder, limits)
        self._templates: dict[tuple[str, str], Template] = {}
        self._recover()

    async def delete(self, namespace: str, key: str) -> None:
        """See Driver."""
        async with self._locks[namespace, key]:
            template = self._templates.pop((namespace, key), None)
            self._index.remove(namespace, key)
            if template is not None:
                await template.end()

    async def list(self) -> Sequence[Artifact]:
        """See Driver."""
        found = [await self.inspect(*name) for name in sorted(self._templates)]
        return [artifact for artifact in found if artifact is not None]

    async def inspect(self, namespace: str, key: str) -> Artifact | None:
        """See Driver."""
        template = self._templates.get((namespace, key))
        if template is None:
            return None
        if not template.alive:
            _LOG.warning("a template has ended", extra={"key": key, "pid": template.process.pid})
            del self._templates[namespace, key]
            self._index.remove(namespace, key)
            template.connection.close()
            return None
        return template.record.artifact

    async def restore(self, namespace: str, key: str, launch: Launch) -> Instance:
        """See Driver."""
        began_ns = time.monotonic_ns()
        if await self.inspect(namespace, key) is None:
            raise NoArtifact(f"no template for the key {key!r} of namespace {namespace!r} on {self._node}")
        template = self._templates[namespace, key]
        process: ProcessIdentity | None = None
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        try:
            limits = StepLimits.each(launch.limit_s)
            async with asyncio.timeout(launch.limit_s), Host(ours, limits) as host:
                with theirs:
                    forked = await template.connection.fork(theirs)
                process = ProcessIdentity.of(forked.pid)
                await inject(host, launch)
                return Instance(process.pid, process.started, began_ns, time.monotonic_ns())
        except TimeoutError as err:
            await failed(process, f"not started within {launch.limit_s} s", err)
        except (OSError, InjectionError) as err:
            await failed(process, str(err), err)
        except asyncio.CancelledError:
            if process is not None:
                process.send(signal.SIGKILL)
            raise

    async def close(self) -> None:
        """See Driver."""
        for namespace, key in list(self._templates):
            await self.delete(namespace, key)
        self._index.close()

    async def _capture(self, request: CreateRequest) -> Artifact:
        connection = Connection.to(request.source.inject_socket)
        try:
            captured = await connection.capture(control.Capture())
            process = ProcessIdentity.of(captured.pid)
            artifact = self._artifact(request, captured)
            record = Record(artifact, {"pid": process.pid, "started": process.started})
            self._index.complete(self._index.begin(), record)
        except OSError as err:
            connection.close()
            raise DriverError("CaptureFailed", f"the template was not recorded: {err}") from err
        except BaseException:
            connection.close()
            raise
        self._templates[artifact.namespace, artifact.key] = Template(record, process, connection)
        return artifact

    def _recover(self) -> None:
        """End templates of an earlier process that did not notice its end, and forget them all."""
        for record in self._index.all():
            ProcessIdentity(record.details["pid"], record.details["started"]).send(signal.SIGKILL)
            self._index.remove(record.artifact.namespace, record.artifact.key)
