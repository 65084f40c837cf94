"""What every snapshot driver does, whatever an artifact is made of.

A driver belongs to one node and lives in the process that is this node. Its artifacts are known by the
namespace of the Pods that may be restored from them and by the snapshot key: a key alone never leads to an
artifact of another namespace.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

#: The mode in which one artifact is restored any number of times.
FORK: Final = "Fork"
#: The mode in which a sandbox goes on where it was left.
RESUME: Final = "Resume"


@dataclass(frozen=True)
class Capabilities:
    """What a driver can do. `snapshot_modes` holds `FORK`, `RESUME` or both."""

    snapshot_modes: frozenset[str]


@dataclass(frozen=True)
class Source:
    """Where the build process is on this node.

    pid: the process of the runtime itself, in the driver's PID namespace.
    inject_socket: the UNIX socket on which it awaits the injection.
    status_url: `http://ADDRESS:PORT/runtime/status`.
    """

    pid: int
    inject_socket: Path
    status_url: str


@dataclass(frozen=True)
class CreateRequest:
    """A task as the driver gets it: its name, its spec without the snapshot's, and the source."""

    namespace: str
    name: str
    snapshot_mode: str
    target_sandbox: str
    target_node: str
    provider_name: str
    snapshot_key: str
    snapshot_hash: str
    source: Source


@dataclass(frozen=True)
class Artifact:
    """A complete artifact: it can be restored as long as it is listed.

    namespace: of the Pods that may be restored from it.
    boot_id, preload_ns: what the witness of every session restored from it says.
    created_at: UTC.
    """

    namespace: str
    key: str
    hash: str
    boot_id: str
    preload_ns: int
    created_at: datetime.datetime
    node: str


@dataclass(frozen=True)
class Launch:
    """What a restored session gets, and nothing of which may be in the artifact.

    address, port: where it listens.
    workspace: an existing empty folder, its own.
    environment: variables on top of those of the build.
    context: handed to the session as it is.
    log: file at the end of which its output goes.
    limit_s: seconds within which it is started, or the restore has failed.
    """

    instance_id: str
    address: str
    port: int
    workspace: Path
    environment: Mapping[str, str]
    context: str
    log: Path
    limit_s: float


@dataclass(frozen=True)
class Instance:
    """A session that was restored and serves.

    started: when its process started, seconds since the epoch (`psutil.Process.create_time`). With `pid` it
        identifies the process.
    restore_began_ns, started_ns: CLOCK_MONOTONIC (`time.monotonic_ns`) when `restore` was called and when
        the session said STARTED.
    """

    pid: int
    started: float
    restore_began_ns: int
    started_ns: int


class DriverError(Exception):
    """An artifact was not created. `reason` is one CamelCase word, `str()` the whole story."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class NoArtifact(Exception):  # noqa: N818 - the field's word
    """There is no such artifact, for this namespace, on this node: start cold."""


class RestoreFailed(Exception):  # noqa: N818
    """The artifact is there, the session is not. Nothing of the attempt is left running."""


class Driver(Protocol):
    """The artifacts of one node."""

    @property
    def name(self) -> str:
        """Which driver it is: `zygote.ref`, `criu.ref`."""
        ...

    @property
    def capabilities(self) -> Capabilities:
        """What it can do."""
        ...

    async def create(self, request: CreateRequest) -> Artifact:
        """Make the artifact of a task, or return the one that is there already.

        The source is proven to be at its safe point before anything is captured. When this returns, the
        artifact is complete and needs its source no longer. Bounded in time.

        Raises DriverError: mode not supported, safe point not proven, contaminated, capture failed, or
        another artifact (other hash) has the key.
        """
        ...

    async def delete(self, namespace: str, key: str) -> None:
        """Remove an artifact; sessions restored from it go on. No error if there is none."""
        ...

    async def list(self) -> Sequence[Artifact]:
        """All artifacts that can be restored now, by namespace and key."""
        ...

    async def inspect(self, namespace: str, key: str) -> Artifact | None:
        """An artifact that can be restored now, or None."""
        ...

    async def restore(self, namespace: str, key: str, launch: Launch) -> Instance:
        """Start a session from an artifact; it serves when this returns, and outlives the driver's process.

        Raises NoArtifact, RestoreFailed (within `launch.limit_s` and a moment for killing what was begun).
        """
        ...

    async def close(self) -> None:
        """End what belongs to the driver itself. Sessions go on; artifacts that are processes do not."""
        ...
