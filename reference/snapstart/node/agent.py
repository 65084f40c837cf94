"""The node agent: answers the snapshot tasks of its node, and says which artifacts the node holds.

It writes the status of tasks and two entries of its own Node, nothing else: whether a snapshot is Ready is
for others to say. It has no part in restores.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final

import httpx2
from lightkube.types import PatchType

from reference.api import Api, status_of
from reference.informer import Informer, Key, key_of
from reference.objects import Object, is_controlled_by, is_terminating
from reference.snapstart.drivers.driver import Artifact, CreateRequest, Driver, DriverError, Source
from reference.snapstart.kinds import (
    Node,
    Sandbox,
    SandboxSnapshot,
    SandboxSnapshotTask,
    inventory_annotation,
    inventory_entry,
    provider_label,
)
from reference.snapstart.node.builds import NEVER, State
from reference.snapstart.node.holdings import Leftovers, held, live
from reference.snapstart.node.kubelet import Kubelet
from reference.snapstart.node.ledger import Entry
from reference.snapstart.node.metrics import Metrics
from reference.snapstart.node.registration import UNREACHABLE, Contact
from reference.snapstart.node.runtimelayer import RuntimeLayer
from reference.snapstart.node.tasks import FAILED, READY, Abilities, Task, is_answered, refusal, task_of
from reference.workqueue import WorkQueue

_LOG = logging.getLogger(__name__)

#: Seconds between two looks at what the driver holds: a template that died says nothing.
_LOOK: Final = 1.0
#: Seconds at most until a failed step is tried again.
_LONGEST_BACKOFF: Final = 2.0
#: Tasks that are answered at the same time.
_WORKERS: Final = 8
#: Characters of a message in a task's status.
_LONGEST_MESSAGE: Final = 1000


class Agent:
    """The agent of one node and one driver."""

    def __init__(
        self,
        api: Api,
        node: str,
        driver: Driver,
        kubelet: Kubelet,
        layer: RuntimeLayer,
        tasks: Informer,
        snapshots: Informer,
        contact: Contact,
        metrics: Metrics,
        create_limit_s: float,
    ) -> None:
        self._api = api
        self._node = node
        self._driver = driver
        self._kubelet = kubelet
        self._layer = layer
        self._tasks = tasks
        self._snapshots = snapshots
        self._contact = contact
        self._metrics = metrics
        self._create_limit_s = create_limit_s
        self._abilities = Abilities(node, driver.name, driver.capabilities.snapshot_modes)
        self._leftovers = Leftovers()
        self._queue: WorkQueue[Key] = WorkQueue(longest_backoff=_LONGEST_BACKOFF)
        self._look = asyncio.Event()
        self._publishing = asyncio.Lock()
        self._published: str | None = None

    async def run(self) -> None:
        """Answer tasks until cancelled. The informers must be synced."""
        await self._first_publication()
        self._tasks.listen(self._task_heard)
        self._snapshots.listen(self._snapshot_heard)
        self._kubelet.on_change(self._all_again)
        self._contact.on_return(self._all_again)
        self._all_again()
        async with asyncio.TaskGroup() as tasks:
            for _ in range(_WORKERS):
                tasks.create_task(self._queue.work(self._reconcile, expected=UNREACHABLE))
            tasks.create_task(self._keep_house())

    # -- tasks ------------------------------------------------------------------

    async def _reconcile(self, key: Key) -> float | None:
        found = self._tasks.get(*key)
        if not self._contact.held or found is None or is_terminating(found) or is_answered(found):
            return None
        task = task_of(found)
        if not self._is_mine(task):
            return None
        snapshot = await self._api.get(SandboxSnapshot, task.namespace, task.snapshot)
        if why := self._refusal(task, snapshot):
            await self._answer(found, FAILED, why)
            return None
        build = self._kubelet.build_of(task.namespace, task.sandbox)
        if build.state is State.READY and build.entry is not None:
            sandbox = await self._api.get(Sandbox, task.namespace, task.sandbox)
            if why := self._refusal_of(sandbox, task):
                await self._answer(found, FAILED, why)
            else:
                await self._capture(found, task, build.entry)
        elif build.state in NEVER:
            await self._answer(found, FAILED, f"Sandbox {task.sandbox}: {NEVER[build.state]}")
        # Else: what the kubelet changes brings the task back.
        return None

    def _is_mine(self, task: Task) -> bool:
        return task.node == self._node

    def _refusal(self, task: Task, snapshot: Object | None) -> str | None:
        return refusal(task, self._abilities, snapshot)

    def _refusal_of(self, sandbox: Object | None, task: Task) -> str | None:
        if sandbox is None or not is_controlled_by(sandbox, task.snapshot_uid):
            return f"Sandbox {task.sandbox} is gone, or not one that was made for snapshot {task.snapshot}"
        return None

    async def _capture(self, found: Object, task: Task, build: Entry) -> None:
        try:
            async with asyncio.timeout(self._create_limit_s):
                artifact = await self._driver.create(self._request(task, build))
        except DriverError as err:
            await self._answer(found, FAILED, f"{err.reason}: {err}")
            return
        except TimeoutError:
            await self._answer(found, FAILED, f"Timeout: no artifact within {self._create_limit_s:g} s")
            return
        if why := mismatch(task, artifact):
            await self._driver.delete(artifact.namespace, artifact.key)
            await self._answer(found, FAILED, f"ArtifactMismatch: {why}")
            return
        # In this order: whoever sees the task Ready finds the artifact in the inventory.
        await self._publish()
        await self._answer(found, READY, f"artifact {artifact.key} made by {self._driver.name}")

    def _request(self, task: Task, build: Entry) -> CreateRequest:
        assert build.process is not None
        return CreateRequest(
            namespace=task.namespace,
            name=task.name,
            snapshot_mode=task.mode,
            target_sandbox=task.sandbox,
            target_node=task.node,
            provider_name=task.provider,
            snapshot_key=task.key,
            snapshot_hash=task.hash,
            source=Source(
                pid=build.process.pid,
                inject_socket=self._layer.socket(build),
                status_url=f"http://{build.address}:{build.request.port}/runtime/status",
            ),
        )

    async def _answer(self, found: Object, phase: str, message: str) -> None:
        _LOG.info("task answered", extra={"task": key_of(found), "phase": phase, "why": message})
        status = {"phase": phase, "message": message[:_LONGEST_MESSAGE], "observedAt": _now()}
        try:
            await self._api.patch_status(SandboxSnapshotTask, found, status)
        except httpx2.HTTPError as err:
            # Changed or gone: the informer brings what it is now.
            if status_of(err) not in (404, 409):
                raise
            return
        self._metrics.tasks.labels(phase).inc()

    def _task_heard(self, before: Object | None, after: Object | None) -> None:
        self._look.set()
        if after is not None:
            self._queue.add(key_of(after))

    def _all_again(self) -> None:
        self._look.set()
        for found in self._tasks.list():
            if not is_answered(found):
                self._queue.add(key_of(found))

    # -- artifacts --------------------------------------------------------------

    def _snapshot_heard(self, before: Object | None, after: Object | None) -> None:
        if before is not None and (after is None or is_terminating(after)):
            self._leftovers.snapshot_deleted(before)
        self._look.set()

    async def _first_publication(self) -> None:
        """What a former process of this node said it held is not true any more."""
        while self._published is None:
            try:
                await self._publish()
            except UNREACHABLE as err:
                _LOG.warning("inventory not published yet", extra={"error": repr(err)})
                await asyncio.sleep(_LOOK)

    async def _keep_house(self) -> None:
        """Delete artifacts that nothing asks for, and publish what is left, whenever that changes."""
        while True:
            self._look.clear()
            await self._contact.wait()
            try:
                await self._delete_leftovers()
                await self._publish()
            except UNREACHABLE as err:
                _LOG.warning("inventory not published", extra={"error": repr(err)})
            try:
                async with asyncio.timeout(_LOOK):
                    await self._look.wait()
            except TimeoutError:
                continue

    async def _delete_leftovers(self) -> None:
        there = [held(artifact) for artifact in await self._driver.list()]
        wanted = live(self._snapshots.list(), self._tasks.list())
        for namespace, key in self._leftovers.among(there, wanted, asyncio.get_running_loop().time()):
            _LOG.info("deleting an artifact", extra={"namespace": namespace, "key": key})
            await self._driver.delete(namespace, key)

    async def _publish(self) -> None:
        async with self._publishing:
            artifacts = await self._driver.list()
            self._metrics.artifacts.set(len(artifacts))
            text = inventory(artifacts)
            if text == self._published:
                return
            provider = self._driver.name
            metadata = {
                "labels": {provider_label(provider): "true"},
                "annotations": {inventory_annotation(provider): text},
            }
            await self._api.client.patch(Node, self._node, {"metadata": metadata}, patch_type=PatchType.MERGE)
            self._published = text


def mismatch(task: Task, artifact: Artifact) -> str | None:
    """In what an artifact is not the one that a task asked for, None if it is."""
    pairs = (
        ("namespace", task.namespace, artifact.namespace),
        ("key", task.key, artifact.key),
        ("hash", task.hash, artifact.hash),
        ("node", task.node, artifact.node),
    )
    return next((f"{what} {got!r}, not {want!r}" for what, want, got in pairs if want != got), None)


def inventory(artifacts: Iterable[Artifact]) -> str:
    """What the Node's annotation says: JSON, from namespace and key to hash."""
    return json.dumps({inventory_entry(a.namespace, a.key): a.hash for a in artifacts}, sort_keys=True)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
