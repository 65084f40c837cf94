"""Which key a new session may carry: the active one of a snapshot whose record is right (SS-S2 to S4).

The record is read anew for every session. Whatever is wrong with it, or with the store, the session starts
cold.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Final

from reference.objects import Object, is_terminating, name_of, uid_of
from reference.snapstart.controller.facts import SOURCES, owner_of, rebuilds_on_source_change
from reference.snapstart.hashing import Hashing
from reference.snapstart.kinds import FORK
from reference.snapstart.records import ArtifactPhase, ArtifactSet, Manifest, RecordError, loaded
from reference.snapstart.store.store import Store, StoreError

#: Seconds that a session waits for the store before it starts cold.
STORE_LIMIT: Final = 0.5


@dataclass(frozen=True)
class Intent:
    """A key to restore from and the nodes that have its artifact, or why there is none."""

    key: str | None
    why: str = ""
    nodes: tuple[str, ...] = ()
    mode: str = FORK


class NotUsable(Exception):  # noqa: N818  a reason, not an error
    """A snapshot cannot be restored from; the text says why."""


class Lookup:
    """Finds keys.

    `snapshots(namespace)` and `snapshot_class(name)` tell what the API server last said. A snapshot of the
    template is asked for anew with `fresh(snapshot)`: it may have become Ready, or be deleted, a moment ago.
    """

    def __init__(
        self,
        snapshots: Callable[[str], Iterable[Object]],
        fresh: Callable[[Object], Awaitable[Object | None]],
        snapshot_class: Callable[[str], Object | None],
        store: Store,
        hashing: Hashing,
        limit: float = STORE_LIMIT,
    ) -> None:
        self._snapshots = snapshots
        self._fresh = fresh
        self._class = snapshot_class
        self._store = store
        self._hashing = hashing
        self._limit = limit

    async def candidates(self, namespace: str, template: str) -> list[Object]:
        """The Ready Fork snapshots of a template, the one that became Ready last first."""
        known = [s for s in self._snapshots(namespace) if is_of(s, template)]
        fresh = await asyncio.gather(*(self._fresh(s) for s in known))
        ready = [s for s in fresh if s is not None and is_of(s, template) and self.is_ready(s)]
        return sorted(ready, key=lambda s: (s["status"].get("readyAt") or "", name_of(s)), reverse=True)

    async def intent(self, template: Object, candidates: Iterable[Object]) -> Intent:
        """The key for a session from this template, from the first of its snapshots that can be used."""
        reasons = []
        for snapshot in candidates:
            try:
                return self.from_set(await self.usable_set(snapshot, template))
            except NotUsable as err:
                reasons.append(f"{name_of(snapshot)}: {err}")
        return Intent(None, "; ".join(reasons) or "no snapshot of the template is Ready")

    def is_ready(self, snapshot: Object) -> bool:
        """Whether a snapshot says that it may be used."""
        return (snapshot.get("status") or {}).get("phase") == "Ready" and not is_terminating(snapshot)

    def from_set(self, found: ArtifactSet) -> Intent:
        """The intent to restore from a set."""
        nodes = tuple(artifact.node_name for artifact in found.in_phase(ArtifactPhase.READY))
        return Intent(found.snapshot_key, nodes=nodes)

    async def usable_set(self, snapshot: Object, template: Object) -> ArtifactSet:
        """The active set of a snapshot. Raises NotUsable."""
        manifest = await self.manifest(snapshot)
        self.check(manifest, snapshot, template)
        assert manifest.active is not None
        return manifest.active

    async def manifest(self, snapshot: Object) -> Manifest:
        """The record of a snapshot. Raises NotUsable if there is none, or none that can be read in time."""
        try:
            async with asyncio.timeout(self._limit):
                stored = await self._store.get(owner_of(snapshot).store_key)
        except TimeoutError as err:
            raise NotUsable(f"the store did not answer within {self._limit:g} s") from err
        except StoreError as err:
            raise NotUsable(f"the store failed: {err}") from err
        if stored is None:
            raise NotUsable("it has no record")
        try:
            return loaded(stored.text)
        except RecordError as err:
            raise NotUsable(f"its record is unusable: {err}") from err

    def check(self, manifest: Manifest, snapshot: Object, template: Object) -> None:
        """Raise NotUsable unless the active set is of this snapshot and template, and Ready on a node."""
        if manifest.owner_ref != owner_of(snapshot):
            raise NotUsable(f"the record is one of {manifest.owner_ref.name}, UID {manifest.owner_ref.uid}")
        active = manifest.active
        if active is None:
            raise NotUsable("no set is active")
        snapshot_class = self._class(snapshot["spec"]["snapshotClassName"])
        if snapshot_class is None:
            raise NotUsable(f"SnapshotClass {snapshot['spec']['snapshotClassName']} not found")
        if active.source_uid != uid_of(template):
            raise NotUsable("the set is from another template of the same name")
        current = self._hashing.hash(FORK, template, snapshot_class)
        if active.snapshot_hash != current and rebuilds_on_source_change(snapshot):
            raise NotUsable("the template has changed since the set was built")
        provider = snapshot_class["spec"]["providerName"]
        if not any(a.provider_name == provider for a in active.in_phase(ArtifactPhase.READY)):
            raise NotUsable(f"no artifact of provider {provider} is Ready")


def is_of(snapshot: Object, template: str) -> bool:
    """Whether a snapshot is a Fork snapshot of the template of this name."""
    spec = snapshot["spec"]
    source = spec["sourceRef"]
    return (
        spec["snapshotMode"] == FORK
        and (source.get("apiGroup", ""), source["kind"]) == SOURCES[FORK]
        and source["name"] == template
    )
