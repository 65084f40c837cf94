"""What all drivers of the reference do alike."""

from __future__ import annotations

import asyncio
import datetime
import time
from collections import defaultdict
from pathlib import Path
from typing import NoReturn, Protocol

from reference.snapstart.drivers.driver import (
    FORK,
    Artifact,
    Capabilities,
    CreateRequest,
    DriverError,
    Launch,
    RestoreFailed,
)
from reference.snapstart.drivers.index import Index
from reference.snapstart.drivers.proof import ProofLimits, Prover
from reference.snapstart.inject.host import Host
from reference.snapstart.runtime import control
from reference.snapstart.runtime.placement import Placement


class Mortal(Protocol):
    """What can be killed."""

    async def kill(self) -> None:
        """Kill it; returns when nothing of it runs. Raises TimeoutError."""


class BaseDriver:
    """The artifacts of one node, whatever they are made of."""

    name: str
    capabilities = Capabilities(frozenset({FORK}))
    prover: type[Prover] = Prover
    index: type[Index] = Index

    def __init__(self, node: str, folder: Path, limits: ProofLimits | None = None) -> None:
        """Use a folder that is this driver's own. Raises IndexBusyError, OSError."""
        self._node = node
        self._prover = self.prover(limits or ProofLimits())
        self._index = self.index(folder)
        #: By namespace and key: an artifact is made and deleted by one call at a time.
        self._locks: defaultdict[tuple[str, str], asyncio.Lock] = defaultdict(asyncio.Lock)

    async def create(self, request: CreateRequest) -> Artifact:
        """See Driver."""
        if request.snapshot_mode not in self.capabilities.snapshot_modes:
            why = f"{self.name} cannot make snapshots of mode {request.snapshot_mode!r}"
            raise DriverError("UnsupportedMode", why)
        async with self._locks[request.namespace, request.snapshot_key]:
            present = await self.inspect(request.namespace, request.snapshot_key)
            if present is None:
                await self._prover.prove(request.source)
                return await self._capture(request)
            if present.hash != request.snapshot_hash:
                why = f"the key {request.snapshot_key!r} has an artifact with the hash {present.hash}"
                raise DriverError("KeyTaken", why)
            return present

    async def inspect(self, namespace: str, key: str) -> Artifact | None:
        """See Driver."""
        raise NotImplementedError

    async def _capture(self, request: CreateRequest) -> Artifact:
        """Make the artifact of a source that is at its safe point. Raises DriverError."""
        raise NotImplementedError

    def _artifact(self, request: CreateRequest, captured: control.Captured) -> Artifact:
        """What was captured, as an artifact."""
        return Artifact(
            namespace=request.namespace,
            key=request.snapshot_key,
            hash=request.snapshot_hash,
            boot_id=captured.boot_id,
            preload_ns=captured.preload_ns,
            created_at=datetime.datetime.now(datetime.UTC),
            node=self._node,
        )


async def inject(host: Host, launch: Launch) -> None:
    """Make a restored process the session that was asked for. Raises InjectionError."""
    await host.capabilities()
    listen = (launch.address, launch.port)
    placement = Placement(listen, launch.workspace, launch.log, time.monotonic_ns())
    await host.prepare(launch.instance_id, launch.context, {**launch.environment, **placement.variables()})
    await host.commit()


async def failed(process: Mortal | None, why: str, cause: Exception) -> NoReturn:
    """Leave nothing of a session that did not start. Raises RestoreFailed."""
    if process is not None:
        await process.kill()
    raise RestoreFailed(why) from cause
