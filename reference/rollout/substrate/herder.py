"""Workloads as processes: started, probed, frozen, killed, and found again after a restart of the substrate.

A workload outlives the substrate. Which process is which actor is in the store; a process that was forked and
could not be recorded any more carries the substrate's folder in its environment, and is killed at the next
start.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Final

import aiohttp
import psutil

from reference.rollout.substrate.errors import InternalError
from reference.rollout.substrate.model import ActorRef
from reference.rollout.substrate.store import Store, Workload
from reference.rollout.workload import FREEZE_PATH, Specification

_LOG = logging.getLogger(__name__)

#: Variable in the environment of workloads: the state folder of the substrate that they belong to.
MARK: Final = "ROLLOUT_SUBSTRATE_STATE"

#: Seconds between two readiness probes, and until one is given up.
_PROBE_PERIOD: Final = 0.01
_PROBE_TIMEOUT: Final = 1.0
#: Seconds until a workload that was told to freeze must have answered.
_FREEZE_TIMEOUT: Final = 5.0


class Herder:
    """The workloads of one substrate. `ended(workload)` is called when one ends that was not stopped."""

    def __init__(self, store: Store, folder: Path, ended: Callable[[Workload], None]) -> None:
        self._store = store
        self._folder = folder.resolve()
        self._ended = ended
        self._forker: Process | None = None
        self._forking = asyncio.Lock()
        self._watched: dict[int, int] = {}
        self.session: aiohttp.ClientSession

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Find the workloads of the last run, and be able to start new ones while the body runs."""
        self._find()
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=_PROBE_TIMEOUT)
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(timeout=timeout, connector=connector) as self.session:
            try:
                yield
            finally:
                for descriptor in self._watched.values():
                    asyncio.get_running_loop().remove_reader(descriptor)
                    os.close(descriptor)
                self._watched.clear()
                if self._forker is not None:
                    # Ends with its input, and what it forked does not.
                    await self._forker.communicate(b"")

    async def start(
        self, ref: ActorRef, template: str, env: Mapping[str, str], memory: Mapping[str, int] | None
    ) -> Workload:
        """Start a workload, instead of the one the actor may have. It need not be ready yet."""
        await self.stop(ref)
        specification = Specification(
            actor_id=ref.id,
            atespace=ref.atespace,
            template=template,
            env=env,
            memory=memory,
            folder=str(self._folder),
        )
        forked = await self._fork(specification)
        try:
            started = psutil.Process(forked["pid"]).create_time()
        except psutil.NoSuchProcess as err:
            raise InternalError(f"the workload of {ref} ended at once") from err
        workload = Workload(ref, forked["pid"], started, forked["port"])
        self._store.put_workload(workload)
        self._watch(workload)
        return workload

    async def until_ready(self, workload: Workload, paths: Sequence[str]) -> None:
        """Return once every path has answered 200. Raises InternalError when the workload ends before."""
        for path in paths:
            while not await self._answers(workload, path):
                if not runs(workload):
                    raise InternalError(f"the workload of {workload.ref} ended before it was ready")
                await asyncio.sleep(_PROBE_PERIOD)

    async def freeze(self, workload: Workload) -> dict[str, int]:
        """The memory of a workload, which does nothing any more from then on. Raises InternalError."""
        timeout = aiohttp.ClientTimeout(total=_FREEZE_TIMEOUT)
        try:
            async with self.session.post(_url(workload, FREEZE_PATH), timeout=timeout) as response:
                response.raise_for_status()
                memory: dict[str, int] = await response.json()
                return memory
        except (aiohttp.ClientError, TimeoutError) as err:
            raise InternalError(f"the workload of {workload.ref} cannot be frozen: {err!r}") from err

    async def stop(self, ref: ActorRef) -> None:
        """Kill the actor's workload, if it has one, and wait for its end."""
        workload = self._store.workload(ref)
        if workload is None:
            return
        self._unwatch(workload.pid)
        await _kill(workload.pid, workload.started)
        self._store.delete_workload(workload)

    async def _fork(self, specification: Specification) -> dict[str, int]:
        async with self._forking:
            for _ in range(2):
                forker = await self._running_forker()
                assert forker.stdin is not None and forker.stdout is not None
                with contextlib.suppress(ConnectionError):
                    forker.stdin.write(json.dumps(asdict(specification)).encode() + b"\n")
                    await forker.stdin.drain()
                if line := await forker.stdout.readline():
                    forked: dict[str, int] = json.loads(line)
                    return forked
                # It was killed: the next one does it.
                await forker.wait()
            raise InternalError("no process forks workloads")

    async def _running_forker(self) -> Process:
        if self._forker is None or self._forker.returncode is not None:
            self._forker = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "reference.rollout.workload",
                stdin=PIPE,
                stdout=PIPE,
                env=os.environ | {MARK: str(self._folder)},
                # Signals to the group of the substrate, as Ctrl-C sends them, are not for workloads.
                start_new_session=True,
            )
        return self._forker

    async def _answers(self, workload: Workload, path: str) -> bool:
        try:
            timeout = aiohttp.ClientTimeout(total=_PROBE_TIMEOUT)
            async with self.session.get(_url(workload, path), timeout=timeout) as response:
                return response.status == 200
        except (aiohttp.ClientError, TimeoutError):
            return False

    def _watch(self, workload: Workload) -> None:
        try:
            descriptor = os.pidfd_open(workload.pid)
        except ProcessLookupError:
            self._ended(workload)
            return
        self._watched[workload.pid] = descriptor
        asyncio.get_running_loop().add_reader(descriptor, self._has_ended, workload)

    def _has_ended(self, workload: Workload) -> None:
        self._unwatch(workload.pid)
        _LOG.warning("workload ended", extra={"actor": workload.ref.id, "pid": workload.pid})
        self._ended(workload)

    def _unwatch(self, pid: int) -> None:
        descriptor = self._watched.pop(pid, None)
        if descriptor is not None:
            asyncio.get_running_loop().remove_reader(descriptor)
            os.close(descriptor)

    def _find(self) -> None:
        """Watch the recorded workloads that still run, forget the others, kill what nobody recorded."""
        recorded = {workload.pid: workload for workload in self._store.workloads()}
        for workload in recorded.values():
            if runs(workload):
                self._watch(workload)
            else:
                self._store.delete_workload(workload)
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if process.environ().get(MARK) == str(self._folder) and process.pid not in self._watched:
                    _LOG.warning("killing a process that no actor has", extra={"pid": process.pid})
                    process.kill()


def runs(workload: Workload) -> bool:
    """Whether the process of a workload is there, and has not ended."""
    try:
        process = psutil.Process(workload.pid)
        return process.create_time() == workload.started and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


async def _kill(pid: int, started: float) -> None:
    try:
        process = psutil.Process(pid)
        if process.create_time() != started:
            return
        descriptor = os.pidfd_open(pid)
    except (psutil.NoSuchProcess, ProcessLookupError):
        return
    loop = asyncio.get_running_loop()
    ended = loop.create_future()
    loop.add_reader(descriptor, ended.cancel)
    try:
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(descriptor, signal.SIGKILL)
        await asyncio.wait([ended])
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)


def _url(workload: Workload, path: str) -> str:
    return f"http://127.0.0.1:{workload.port}{path}"
