"""`criu.ref`: an artifact is an image of a process on disk, a session is read back from it.

What is dumped is a fork of the build process that waits for its injection
(`reference.snapstart.runtime.exposed`). It comes back with the process id and the socket path that it had.
So each restore has a PID namespace of its own, and in a mount namespace of its own an empty folder where
the socket is to be: there the host finds it from outside. Images outlive the driver's process and the
build.

Needs root and a criu that works on this kernel: `criucommands.detect` tries. Source: contract SnapStart,
sections 9.1 and 15.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from reference.processes import ProcessIdentity
from reference.snapstart.drivers.base import BaseDriver, failed, inject
from reference.snapstart.drivers.connection import Connection
from reference.snapstart.drivers.criucommands import CriuError, Keeper, dump, restore_command
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
_DUMP_LIMIT: Final = 20.0
_IMAGES: Final = "images"
_SOCKET: Final = "i.sock"
#: Seconds between two looks at whether the socket is there.
_POLL: Final = 0.005


class CriuDriver(BaseDriver):
    """Images on one node. See `reference.snapstart.drivers.driver.Driver`."""

    name = "criu.ref"

    def __init__(
        self, node: str, folder: Path, limits: ProofLimits | None = None, criu: str = "criu"
    ) -> None:
        """Use a folder that is this driver's own; complete artifacts in it can be restored.

        Raises IndexBusyError, OSError.
        """
        super().__init__(node, folder, limits)
        self._criu = criu
        self._keepers: set[Keeper] = set()
        # The path of a socket is part of the image, and an address of at most 107 bytes.
        self._run = (
            Path("/tmp") / f"snapstart-{hashlib.sha256(os.fsencode(folder.absolute())).hexdigest()[:12]}"
        )

    async def delete(self, namespace: str, key: str) -> None:
        """See Driver."""
        async with self._locks[namespace, key]:
            self._forget(namespace, key)

    async def list(self) -> Sequence[Artifact]:
        """See Driver."""
        return [record.artifact for record in self._index.all() if self._is_whole(record)]

    async def inspect(self, namespace: str, key: str) -> Artifact | None:
        """See Driver."""
        record = self._index.get(namespace, key)
        if record is None:
            return None
        if not self._is_whole(record):
            _LOG.warning("an image is damaged", extra={"key": key})
            self._forget(namespace, key)
            return None
        return record.artifact

    async def restore(self, namespace: str, key: str, launch: Launch) -> Instance:
        """See Driver."""
        began_ns = time.monotonic_ns()
        record = self._index.get(namespace, key)
        if record is None or not self._is_whole(record):
            raise NoArtifact(f"no image for the key {key!r} of namespace {namespace!r} on {self._node}")
        try:
            own = self._own_folder()
            place = Path(record.details["place"])
            place.mkdir(parents=True, exist_ok=True)
            images = self._index.place(namespace, key) / _IMAGES
            keeper = self._keep(restore_command(self._criu, images, own, place))
        except OSError as err:
            await failed(None, str(err), err)
        try:
            async with asyncio.timeout(launch.limit_s):
                process = await self._inject(own / _SOCKET, keeper, launch)
            return Instance(process.pid, process.started, began_ns, time.monotonic_ns())
        except TimeoutError as err:
            await failed(keeper, f"not started within {launch.limit_s} s", err)
        except (OSError, InjectionError, CriuError) as err:
            await failed(keeper, f"{err}{_first_error(own)}", err)
        except asyncio.CancelledError:
            keeper.process.send(signal.SIGKILL)
            raise
        finally:
            shutil.rmtree(own, ignore_errors=True)

    async def close(self) -> None:
        """See Driver."""
        for keeper in list(self._keepers):
            keeper.leave()
        shutil.rmtree(self._run, ignore_errors=True)
        self._index.close()

    async def _capture(self, request: CreateRequest) -> Artifact:
        try:
            # A new place each time: what an earlier attempt has forked cannot come to listen there.
            place = self._new_folder("image-")
            begun = self._index.begin()
        except OSError as err:
            raise DriverError("CaptureFailed", f"there is no room for an image: {err}") from err
        process: ProcessIdentity | None = None
        done = False
        try:
            connection = Connection.to(request.source.inject_socket)
            try:
                captured = await connection.capture(control.Expose(str(place / _SOCKET)))
                process = ProcessIdentity.of(captured.pid)
                # Nothing that is connected to a process outside can be dumped.
                await connection.over()
            finally:
                connection.close()
            images = begun / _IMAGES
            images.mkdir()
            async with asyncio.timeout(_DUMP_LIMIT):
                await dump(self._criu, process.pid, images)
            artifact = self._artifact(request, captured)
            sizes = {path.name: path.stat().st_size for path in sorted(images.glob("*.img"))}
            self._index.complete(begun, Record(artifact, {"images": sizes, "place": str(place)}))
            (place / _SOCKET).unlink(missing_ok=True)
            done = True
        except (OSError, CriuError) as err:
            raise DriverError("CaptureFailed", f"the process was not dumped: {err!r}") from err
        finally:
            if not done:
                self._index.abandon(begun)
                # What was forked and is not known ends without its place.
                shutil.rmtree(place, ignore_errors=True)
                if process is not None:
                    process.send(signal.SIGKILL)
        return artifact

    async def _inject(self, path: Path, keeper: Keeper, launch: Launch) -> ProcessIdentity:
        """Inject the process that appears at a path; its id. Raises InjectionError, CriuError, OSError."""
        while (host := await self._host(path, launch.limit_s)) is None:
            if not keeper.process.alive:
                raise CriuError("criu has ended before the session was there")
            # Nothing announces a socket.
            await asyncio.sleep(_POLL)
        async with host:
            process = ProcessIdentity.of(host.peer_pid)
            await inject(host, launch)
            return process

    async def _host(self, path: Path, limit_s: float) -> Host | None:
        """A connection to what listens at a path; None if nothing does yet."""
        try:
            return await Host.connect(path, StepLimits.each(limit_s))
        except InjectionError:
            # Not there, or there and not listening: criu makes a socket in steps.
            return None

    def _keep(self, command: Sequence[str]) -> Keeper:
        """Start what stays with a session until its end. Raises OSError."""
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        keeper = Keeper(child, self._keepers.discard)
        self._keepers.add(keeper)
        return keeper

    def _is_whole(self, record: Record) -> bool:
        """Whether all images are there, in full length."""
        images = self._index.place(record.artifact.namespace, record.artifact.key) / _IMAGES
        sizes: dict[str, Any] = record.details.get("images", {})
        try:
            return bool(sizes) and all((images / name).stat().st_size == size for name, size in sizes.items())
        except OSError:
            return False

    def _forget(self, namespace: str, key: str) -> None:
        record = self._index.get(namespace, key)
        self._index.remove(namespace, key)
        if record is not None:
            shutil.rmtree(record.details["place"], ignore_errors=True)

    def _own_folder(self) -> Path:
        """What is mounted in the place of an image for one session. Raises OSError."""
        return self._new_folder("session-")

    def _new_folder(self, prefix: str) -> Path:
        self._run.mkdir(parents=True, exist_ok=True)
        return Path(tempfile.mkdtemp(prefix=prefix, dir=self._run))


def _first_error(own: Path) -> str:
    error = CriuError.first_line(own / "restore.log")
    return f"; criu: {error}" if error else ""
