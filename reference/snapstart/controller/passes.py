"""One pass over one snapshot: what it reads, and the writes that a flow puts in order."""

from __future__ import annotations

import datetime
from collections.abc import Callable, MutableMapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from reference.api import Api
from reference.events import Recorder
from reference.objects import Object, is_controlled_by, name_of, namespace_of, uid_of
from reference.snapstart.controller.artifacts import Limits
from reference.snapstart.controller.builds import labels
from reference.snapstart.controller.facts import SOURCES, Facts, owner_of
from reference.snapstart.controller.metrics import Metrics
from reference.snapstart.controller.planner import Plan, Planner
from reference.snapstart.controller.statuses import READY
from reference.snapstart.kinds import (
    FORK,
    Node,
    RuntimeClass,
    Sandbox,
    SandboxSnapshotTask,
    SandboxTemplate,
    SnapshotClass,
)
from reference.snapstart.records import Manifest, Owner, RecordError, dumped, loaded
from reference.snapstart.store.store import Store

if TYPE_CHECKING:
    from reference.snapstart.controller.parts import Parts

#: How long a record may be unreadable before it counts as lost: a disturbed store may read better soon.
_UNREADABLE_FOR: Final = datetime.timedelta(seconds=5)


@dataclass(frozen=True)
class Tools:
    """What passes work with. `task_ttl`: how long a task stays after its agent has answered."""

    api: Api
    store: Store
    events: Recorder
    metrics: Metrics
    limits: Limits
    task_ttl: datetime.timedelta
    now: Callable[[], datetime.datetime]
    nonce: Callable[[], str]
    #: Since when records have been unreadable.
    unreadable: MutableMapping[Owner, datetime.datetime] = field(default_factory=dict)


@dataclass(frozen=True)
class Record:
    """A manifest as the store has it; `version` is None where there is none yet."""

    manifest: Manifest
    version: int | None
    lost: bool = False


class Pass:
    """A pass over a snapshot, which is as the last write of this pass has left it."""

    def __init__(self, snapshot: Object, parts: Parts, tools: Tools) -> None:
        self.snapshot = snapshot
        self.parts = parts
        self.tools = tools
        self.api = tools.api
        self.planner: Planner = parts.planner(parts, tools.limits, tools.nonce)
        self._counted = 0

    @property
    def owner(self) -> Owner:
        """The owner of the record."""
        return owner_of(self.snapshot)

    # -- reading -----------------------------------------------------------

    async def read_record(self) -> Record:
        """The record. Raises StoreError, and RecordError while one that cannot be read may still get well."""
        stored = await self.tools.store.get(self.owner.store_key)
        if stored is None:
            lost = (self.snapshot.get("status") or {}).get("phase") == READY
            return Record(Manifest(self.owner), None, lost)
        try:
            manifest = loaded(stored.text)
            if manifest.owner_ref != self.owner:
                raise RecordError(f"the record is one of {manifest.owner_ref}")
        except RecordError:
            since = self.tools.unreadable.setdefault(self.owner, self.tools.now())
            if self.tools.now() - since < _UNREADABLE_FOR:
                raise
            del self.tools.unreadable[self.owner]
            return Record(Manifest(self.owner), stored.version, lost=True)
        self.tools.unreadable.pop(self.owner, None)
        return Record(manifest, stored.version)

    async def read_facts(self, record: Record) -> Facts:
        """Everything else. Nodes come after tasks: what a task says is done, its node says it holds."""
        spec = self.snapshot["spec"]
        namespace = namespace_of(self.snapshot)
        tasks = await self.made(SandboxSnapshotTask)
        sandboxes = await self.made(Sandbox)
        source = None
        if (spec["sourceRef"].get("apiGroup", ""), spec["sourceRef"]["kind"]) == SOURCES[FORK]:
            source = await self.api.get(SandboxTemplate, namespace, spec["sourceRef"]["name"])
        runtime_class = None
        if source is not None and (name := source["spec"]["podTemplate"]["spec"].get("runtimeClassName")):
            runtime_class = await self.api.get(RuntimeClass, "", name)
        return Facts(
            snapshot=self.snapshot,
            snapshot_class=await self.api.get(SnapshotClass, "", spec["snapshotClassName"]),
            source=source,
            runtime_class=runtime_class,
            nodes={name_of(node): node for node in await self.api.list(Node, "")},
            sandboxes=sandboxes,
            tasks=tasks,
            now=self.tools.now(),
            record_lost=record.lost,
        )

    async def made(self, kind: Any) -> dict[str, Object]:
        """The objects of a kind that were made for this very snapshot, by name."""
        found = await self.api.list(kind, namespace_of(self.snapshot), labels(self.snapshot))
        return {name_of(o): o for o in found if is_controlled_by(o, uid_of(self.snapshot))}

    # -- writing -----------------------------------------------------------

    async def write_record(self, record: Record, plan: Plan) -> Record:
        """Write the plan's record, if it differs. Raises StoreError, or Conflict if somebody else has."""
        if plan.manifest == record.manifest and record.version is not None:
            return record
        version = await self.tools.store.put(self.owner.store_key, dumped(plan.manifest), record.version)
        self.tools.metrics.count(plan.notes[self._counted :], plan.obstacle)
        self._counted = len(plan.notes)
        return replace(record, manifest=plan.manifest, version=version)
