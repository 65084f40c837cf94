"""A driver for tests of nodes: an artifact is a name, a restore a process of the stand-in that knows it."""

from __future__ import annotations

import asyncio
import datetime
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Sequence

import psutil

from reference.snapstart.drivers.driver import (
    FORK,
    Artifact,
    Capabilities,
    CreateRequest,
    DriverError,
    Instance,
    Launch,
    NoArtifact,
    RestoreFailed,
)
from reference.snapstart.node.runtimelayer import importable

STANDIN = "tests.unit.snapstart.node.standin"


class StandinDriver:
    """Artifacts of one node. `fails` and `hangs` name what goes wrong: `create`, `restore`."""

    def __init__(self, node: str) -> None:
        self._node = node
        self.artifacts: dict[tuple[str, str], Artifact] = {}
        self.requests: list[CreateRequest] = []
        self.fails: set[str] = set()
        self.hangs: set[str] = set()
        self.others: dict[str, str] = {}

    @property
    def name(self) -> str:
        """The provider."""
        return "standin.ref"

    @property
    def capabilities(self) -> Capabilities:
        """Forks."""
        return Capabilities(frozenset((FORK,)))

    def put(self, namespace: str, key: str, digest: str = "sha256:" + "0" * 64) -> Artifact:
        """Have an artifact."""
        now = datetime.datetime.now(datetime.UTC)
        artifact = Artifact(namespace, key, digest, str(uuid.uuid4()), 1, now, self._node)
        self.artifacts[namespace, key] = artifact
        return artifact

    async def create(self, request: CreateRequest) -> Artifact:
        """An artifact; `others` replaces fields of it."""
        self.requests.append(request)
        await self._trouble("create", DriverError("NotSafe", "the source has two threads"))
        artifact = self.put(request.namespace, request.snapshot_key, request.snapshot_hash)
        if self.others:
            artifact = Artifact(**{**vars(artifact), **self.others})
        return artifact

    async def delete(self, namespace: str, key: str) -> None:
        """Forget it."""
        self.artifacts.pop((namespace, key), None)

    async def list(self) -> Sequence[Artifact]:
        """What there is."""
        return [self.artifacts[where] for where in sorted(self.artifacts)]

    async def inspect(self, namespace: str, key: str) -> Artifact | None:
        """One of them."""
        return self.artifacts.get((namespace, key))

    async def restore(self, namespace: str, key: str, launch: Launch) -> Instance:
        """A process, nobody's child, that answers when this returns."""
        began = time.monotonic_ns()
        artifact = self.artifacts.get((namespace, key))
        if artifact is None:
            raise NoArtifact(f"no {namespace}/{key}")
        await self._trouble("restore", RestoreFailed("the template is gone"))
        command = [
            *(sys.executable, "-m", STANDIN, "--mode", "restored", "--boot-id", artifact.boot_id),
            *("--address", launch.address, "--port", str(launch.port), "--workspace", str(launch.workspace)),
            *("--instance-id", launch.instance_id, "--context", launch.context),
        ]
        with launch.log.open("ab") as log:
            child = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **importable(), **launch.environment},
                start_new_session=True,
            )
        child.returncode = 0
        started = psutil.Process(child.pid).create_time()
        return Instance(child.pid, started, began, time.monotonic_ns())

    async def close(self) -> None:
        """Nothing is to be ended."""

    async def _trouble(self, where: str, error: Exception) -> None:
        if where in self.hangs:
            await asyncio.Event().wait()
        if where in self.fails:
            raise error
