"""The controller: what is watched, which snapshot each change concerns, and the passes that follow."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Any, Final

import httpx2

from reference.informer import ALL_NAMESPACES, Informer, Informers, Key, Listener, key_of
from reference.objects import Object, annotations_of, labels_of, name_of, uid_of
from reference.snapstart import kinds
from reference.snapstart.controller.parts import Parts
from reference.snapstart.controller.passes import Pass, Tools
from reference.snapstart.controller.placement import is_ready
from reference.snapstart.kinds import (
    MANAGED_BY,
    SNAPSHOT_CONTROLLER,
    Node,
    RuntimeClass,
    Sandbox,
    SandboxSnapshot,
    SandboxSnapshotTask,
    SandboxTemplate,
    SnapshotClass,
)
from reference.snapstart.records import STORE_PREFIX, Owner, RecordError
from reference.snapstart.store.store import Conflict, StoreError
from reference.workqueue import WorkQueue

_LOG = logging.getLogger(__name__)

#: Snapshots whose passes run at the same time.
_WORKERS: Final = 8
#: Seconds: the longest pause after failed passes, and between two looks for records without a snapshot.
_LONGEST_BACKOFF: Final = 2.0
_SWEEP_INTERVAL: Final = 30.0
#: What is raised where something else is out of order, not the controller.
EXPECTED: Final = (httpx2.HTTPError, StoreError, Conflict, RecordError)


class Controller:
    """Watches, and reconciles the snapshots of some namespaces; an empty list of them means all."""

    def __init__(self, tools: Tools, parts: Parts, namespaces: Sequence[str] = ()) -> None:
        self._tools = tools
        self._parts = parts
        self._queue: WorkQueue[Key] = WorkQueue(longest_backoff=_LONGEST_BACKOFF)
        self._informers = Informers()
        ours = {MANAGED_BY: SNAPSHOT_CONTROLLER}
        scopes = namespaces or (ALL_NAMESPACES,)
        self._snapshots = [self._watch(SandboxSnapshot, self._snapshot_changed, scope) for scope in scopes]
        for scope in scopes:
            self._watch(SandboxSnapshotTask, self._task_changed, scope, ours)
            self._watch(Sandbox, self._owned_changed, scope, ours)
            self._watch(SandboxTemplate, self._source_changed, scope)
        self._watch(SnapshotClass, self._class_changed)
        self._watch(Node, self._node_changed)
        self._watch(RuntimeClass, lambda _before, _after: self._add_all())

    @property
    def synced(self) -> bool:
        """Whether all kinds have been listed once."""
        return self._informers.synced

    async def run(self) -> None:
        """Watch and reconcile until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._informers.run())
            tasks.create_task(self._sweep())
            for _ in range(_WORKERS):
                tasks.create_task(self._queue.work(self.reconcile, EXPECTED))

    async def reconcile(self, key: Key) -> float | None:
        """One pass over one snapshot; the seconds until the next one, if there has to be one."""
        snapshot = await self._tools.api.get(SandboxSnapshot, *key)
        if snapshot is None:
            self._tools.metrics.forget(*key)
            return None
        with self._tools.metrics.passes.time():
            return await self._parts.flow.run(Pass(snapshot, self._parts, self._tools))

    # -- records without a snapshot ----------------------------------------

    async def _sweep(self) -> None:
        while True:
            try:
                await self.sweep()
            except EXPECTED as err:
                _LOG.warning("sweep failed", extra={"error": repr(err)})
            await asyncio.sleep(_SWEEP_INTERVAL)

    async def sweep(self) -> None:
        """Delete the records of snapshots that vanished although they had a finalizer."""
        for key in await self._tools.store.keys(STORE_PREFIX):
            try:
                owner = Owner.of_store_key(key)
            except RecordError as err:
                _LOG.warning("key that nobody has written", extra={"error": str(err)})
                continue
            found = await self._tools.api.get(SandboxSnapshot, owner.namespace, owner.name)
            if found is None or uid_of(found) != owner.uid:
                await self._tools.store.delete(key, None)
                _LOG.info("record without a snapshot deleted", extra={"key": key})

    # -- which snapshots a change concerns ---------------------------------

    def _watch(
        self,
        kind: Any,
        listener: Listener,
        scope: str = ALL_NAMESPACES,
        labels: dict[str, str] | None = None,
    ) -> Informer:
        return self._informers.add(Informer(self._tools.api.client, kind, scope, labels), listener)

    def _snapshot_changed(self, before: Object | None, after: Object | None) -> None:
        if before is not None and after is not None and _same(before, after):
            return  # Our own status, most likely.
        self._queue.add(key_of(_either(before, after)))

    def _task_changed(self, before: Object | None, after: Object | None) -> None:
        found = _either(before, after)
        self._queue.add((key_of(found)[0], found["spec"]["snapshotRef"]["name"]))

    def _owned_changed(self, before: Object | None, after: Object | None) -> None:
        found = _either(before, after)
        for owner in found["metadata"].get("ownerReferences") or ():
            if owner["kind"] == "SandboxSnapshot":
                self._queue.add((key_of(found)[0], owner["name"]))

    def _source_changed(self, before: Object | None, after: Object | None) -> None:
        namespace, name = key_of(_either(before, after))
        self._add_where(lambda s: key_of(s)[0] == namespace and s["spec"]["sourceRef"]["name"] == name)

    def _class_changed(self, before: Object | None, after: Object | None) -> None:
        name = name_of(_either(before, after))
        self._add_where(lambda s: s["spec"]["snapshotClassName"] == name)

    def _node_changed(self, before: Object | None, after: Object | None) -> None:
        # Heartbeats change nothing that a pass depends on.
        if before is None or after is None or _of_node(before) != _of_node(after):
            self._add_all()

    def _add_all(self) -> None:
        self._add_where(lambda _snapshot: True)

    def _add_where(self, concerns: Callable[[Object], bool]) -> None:
        for snapshot in (found for informer in self._snapshots for found in informer.list()):
            if concerns(snapshot):
                self._queue.add(key_of(snapshot))


def _either(before: Object | None, after: Object | None) -> Object:
    found = after if after is not None else before
    assert found is not None
    return found


def _same(before: Object, after: Object) -> bool:
    """Whether only the status differs, or what the controller itself annotates."""
    return all(
        before["metadata"].get(field) == after["metadata"].get(field)
        for field in ("uid", "generation", "deletionTimestamp", "finalizers")
    )


def _of_node(node: Object) -> tuple[Any, ...]:
    """What passes depend on in a node."""
    annotations = annotations_of(node)
    return (
        uid_of(node),
        labels_of(node),
        is_ready(node),
        node.get("spec"),
        {key: value for key, value in annotations.items() if key.startswith(kinds.inventory_annotation(""))},
    )
