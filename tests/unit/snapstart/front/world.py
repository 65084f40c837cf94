"""A small world for the session front: API server, store, and what becomes of sessions, in memory.

`fates` says what becomes of the Sandboxes and claims that the front creates, in the order of their creation:
the state that the upstream controller would bring them to.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime
from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Any

from reference.informer import Key
from reference.objects import Object, name_of, uid_of
from reference.snapstart.controller.facts import owner_of
from reference.snapstart.front.lookup import Intent
from reference.snapstart.front.parts import Parts
from reference.snapstart.front.server import Front, Metrics
from reference.snapstart.front.sessions import Session, Wish
from reference.snapstart.hashing import Hashing
from reference.snapstart.kinds import (
    EXTENSIONS_GROUP,
    Sandbox,
    SandboxClaim,
    SandboxSnapshot,
    SandboxTemplate,
    SandboxWarmPool,
    SnapshotClass,
)
from reference.snapstart.records import Artifact, ArtifactPhase, ArtifactSet, Manifest, dumped
from tests.unit.fakeapi import NAMESPACE, Clock, FakeApi, Log
from tests.unit.snapstart.controller.world import PROVIDER, MemoryStore

KEY = "snap-fork-g1-r1-abcdef-00000001"
AT = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)

READY: Mapping[str, Any] = {
    "conditions": [{"type": "Ready", "status": "True", "reason": "DependenciesReady"}],
    "podIPs": ["127.60.0.7"],
}
BOUND: Mapping[str, Any] = {
    "conditions": [{"type": "Ready", "status": "True", "reason": "DependenciesReady"}],
    "sandbox": {"name": "pool-x1", "podIPs": ["127.60.0.9"]},
}
POD_FAILED: Mapping[str, Any] = {
    "conditions": [
        {"type": "Ready", "status": "False", "reason": "PodFailed"},
        {"type": "Finished", "status": "True", "reason": "PodFailed", "message": "restore failed"},
    ]
}
STARTING: Mapping[str, Any] = {
    "conditions": [{"type": "Ready", "status": "False", "reason": "DependenciesNotReady"}]
}


class FakeObjects:
    """What informers of the front would tell, straight from the API server."""

    def __init__(self, api: FakeApi) -> None:
        self._api = api
        self.waits: dict[tuple[str, str], asyncio.Queue[Object | None]] = {}

    def snapshots(self, namespace: str) -> Iterable[Object]:
        return self._api.all(SandboxSnapshot)

    def snapshot_class(self, name: str) -> Object | None:
        return self._api.objects.get(("SnapshotClass", name))

    def pools(self, namespace: str) -> Iterable[Object]:
        return self._api.all(SandboxWarmPool)

    @contextlib.asynccontextmanager
    async def states(self, kind: Any, key: Key) -> AsyncIterator[asyncio.Queue[Object | None]]:
        queue: asyncio.Queue[Object | None] = asyncio.Queue()
        where = kind.__name__, key[1]
        self.waits[where] = queue
        try:
            yield queue
        finally:
            del self.waits[where]


class FatefulApi(FakeApi):
    """An API server beside which the upstream controller works at once."""

    def __init__(self, clock: Clock, log: Log) -> None:
        super().__init__(clock, log)
        self.told = FakeObjects(self)
        self.fates: list[Mapping[str, Any] | None] = []

    async def create(self, kind: Any, body: Mapping[str, Any]) -> Object:
        made = await super().create(kind, body)
        if kind in (Sandbox, SandboxClaim):
            usual = READY if kind is Sandbox else BOUND
            fate = self.fates.pop(0) if self.fates else usual
            queue = self.told.waits.get((kind.__name__, name_of(made)))
            if fate is None:
                self.remove(kind, name_of(made))
            else:
                self.edit(kind, name_of(made), {"status": fate})
            if queue is not None:
                queue.put_nowait(self.objects.get((kind.__name__, name_of(made))))
        return made


class World:
    """One template `python` with a Ready snapshot, unless told otherwise."""

    def __init__(self, parts: Parts | None = None, limit: float = 5) -> None:
        self.parts = parts or Parts()
        self.log = Log()
        self.api = FatefulApi(Clock(), self.log)
        self.store = MemoryStore(self.log)
        self.metrics = Metrics()
        self._loop = asyncio.new_event_loop()
        self.objects = self.api.told
        lookup = self.parts.lookup(
            lambda namespace: self.objects.snapshots(namespace),
            lambda found: self.api.get(SandboxSnapshot, NAMESPACE, name_of(found)),
            self.objects.snapshot_class,
            self.store,
            self.parts.hashing,
            0.2,
        )
        pools = self.parts.pools(
            lambda namespace: self.objects.pools(namespace),
            lambda found: self.api.get(SandboxWarmPool, NAMESPACE, name_of(found)),
        )
        self.sessions = self.parts.sessions(
            self.api,  # type: ignore[arg-type]
            self.objects,  # type: ignore[arg-type]
            lookup,
            pools,
            limit,
        )
        self.front: Front = self.parts.front(self.sessions, self.metrics)
        spec = {"providerName": PROVIDER, "supportedSnapshotModes": ["Fork"]}
        self.create(SnapshotClass, {"metadata": {"name": "fast"}, "spec": spec})
        pod = {"containers": [{"name": "main", "image": "python", "ports": [{"containerPort": 9000}]}]}
        metadata = {
            "labels": {"app": "python"},
            "annotations": {"agentcube.volcano.sh/snapshot-key": "forged"},
        }
        template = {"podTemplate": {"metadata": metadata, "spec": pod}}
        self.create(SandboxTemplate, {"metadata": {"name": "python"}, "spec": template})
        self.create_snapshot()

    def close(self) -> None:
        """Give the event loop back."""
        self._loop.close()

    def run(self, work: Any) -> Any:
        """The result of a coroutine."""
        return self._loop.run_until_complete(asyncio.wait_for(work, 10))

    def create(self, kind: Any, body: Mapping[str, Any]) -> Object:
        """Create an object."""
        made: Object = self.run(self.api.create(kind, body))
        return made

    def create_snapshot(
        self, name: str = "snap", ready_at: str = "2026-01-01T00:00:00Z", **spec: Any
    ) -> None:
        """A Ready snapshot with its record."""
        source = {"apiGroup": EXTENSIONS_GROUP, "kind": "SandboxTemplate", "name": "python"}
        usual = {"snapshotMode": "Fork", "snapshotClassName": "fast", "sourceRef": source}
        status = {"phase": "Ready", "readyAt": ready_at}
        body = {"metadata": {"name": name}, "spec": {**usual, **spec}, "status": status}
        snapshot = self.create(SandboxSnapshot, body)
        self.write(snapshot, self.active_set())

    def active_set(self, key: str = KEY, phase: ArtifactPhase = ArtifactPhase.READY) -> ArtifactSet:
        """A set of the template as it is."""
        snapshot_class = self.objects.snapshot_class("fast")
        assert snapshot_class is not None
        found = Hashing().hash("Fork", self.template, snapshot_class)
        created = AT if phase in (ArtifactPhase.READY, ArtifactPhase.UNAVAILABLE) else None
        artifact = Artifact(PROVIDER, "a", phase, key, found, created)
        return ArtifactSet(key, found, uid_of(self.template), (artifact,), AT)

    def write(self, snapshot: Object, active: ArtifactSet | None, pending: ArtifactSet | None = None) -> None:
        """Write the record of a snapshot."""
        owner = owner_of(snapshot)
        manifest = Manifest(owner).with_active(active).with_pending(pending)
        found = self.store.records.get(owner.store_key)
        self.run(self.store.put(owner.store_key, dumped(manifest), found.version if found else None))

    def add_pool(self, ready: int, name: str = "pool") -> None:
        """A pool of the template."""
        spec = {"sandboxTemplateRef": {"name": "python"}}
        self.create(
            SandboxWarmPool, {"metadata": {"name": name}, "spec": spec, "status": {"readyReplicas": ready}}
        )

    def session(self, name: str = "s", **wish: Any) -> tuple[Session, Intent]:
        """A session."""
        found: tuple[Session, Intent] = self.run(
            self.sessions.create(Wish(NAMESPACE, "python", name, **wish))
        )
        return found

    @property
    def template(self) -> dict[str, Any]:
        """The template."""
        return self.api.objects["SandboxTemplate", "python"]

    @property
    def snapshot(self) -> dict[str, Any]:
        """The snapshot."""
        return self.api.objects["SandboxSnapshot", "snap"]

    def annotations(self, name: str = "s") -> dict[str, str]:
        """The annotations of a session's Pod, as its Sandbox or claim says when it is created."""
        if ("Sandbox", name) in self.api.objects:
            spec = self.api.objects["Sandbox", name]["spec"]["podTemplate"]["metadata"]
        else:
            spec = self.api.objects["SandboxClaim", name]["spec"]["additionalPodMetadata"]
        found: dict[str, str] = spec["annotations"]
        return found

    @property
    def started(self) -> list[str]:
        """Sandboxes and claims, as kind/name."""
        return sorted(
            f"{kind}/{name}" for kind, name in self.api.objects if kind in ("Sandbox", "SandboxClaim")
        )
