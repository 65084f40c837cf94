"""Wrong nodes: one deviation each, told in its title, and the contract rows that must notice it.

A mutant that has acted is counted in FIRED, so that a test that passes knows whether it met the lie at all.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from lightkube.types import PatchType

from reference.mutation import combined
from reference.objects import Object
from reference.processes import ProcessIdentity
from reference.snapstart.fired import fired
from reference.snapstart.kinds import SandboxSnapshot
from reference.snapstart.node.agent import Agent, inventory
from reference.snapstart.node.kubelet import START_ERROR, Kubelet
from reference.snapstart.node.ledger import RESTORED, Entry
from reference.snapstart.node.parts import Parts
from reference.snapstart.node.pods import requested
from reference.snapstart.node.runtimelayer import NotRestored, RuntimeLayer
from reference.snapstart.node.tasks import READY, Task


class ColdBehindAnnotation(RuntimeLayer):
    """A Pod with a key starts cold, and is told to be restored."""

    async def restore(self, entry: Entry, environment: Mapping[str, str]) -> ProcessIdentity:
        fired("cold-behind-annotation")
        process = await self.start(entry, environment)
        self._metrics.restores.labels("restored").inc()
        return process


class RestoreHangs(RuntimeLayer):
    """A key that leads to no session is waited for, for ever."""

    async def restore(self, entry: Entry, environment: Mapping[str, str]) -> ProcessIdentity:
        try:
            return await super().restore(entry, environment)
        except NotRestored:
            fired("restore-hangs")
            await asyncio.Event().wait()
            raise


class RestoreAsSlowAsCold(RuntimeLayer):
    """A restored session serves when a cold one would."""

    #: Seconds: more than the bootstrap of any preload that goals are set for takes.
    EXTRA: Final = 2.0

    async def restore(self, entry: Entry, environment: Mapping[str, str]) -> ProcessIdentity:
        process = await super().restore(entry, environment)
        fired("restore-as-slow-as-cold")
        await asyncio.sleep(self.EXTRA)
        return process


class SharedToken(RuntimeLayer):
    """All restored sessions of a node have the token of the first."""

    async def restore(self, entry: Entry, environment: Mapping[str, str]) -> ProcessIdentity:
        self._first = getattr(self, "_first", entry.token)
        if self._first != entry.token:
            fired("shared-token")
        return await super().restore(replace(entry, token=self._first), environment)


class AnyNamespace(RuntimeLayer):
    """A key is looked for in all namespaces."""

    async def restore(self, entry: Entry, environment: Mapping[str, str]) -> ProcessIdentity:
        artifacts = [] if self._driver is None else await self._driver.list()
        for artifact in artifacts:
            if artifact.key == entry.request.key:
                if artifact.namespace != entry.request.namespace:
                    fired("any-namespace")
                request = replace(entry.request, namespace=artifact.namespace)
                return await super().restore(replace(entry, request=request), environment)
        return await super().restore(entry, environment)


class LateKey(Kubelet):
    """The key is what the annotation says when the process starts, edits included."""

    async def _start(self, pod: Object, entry: Entry) -> Entry | None:
        now = requested(self._pods.get(entry.uid, pod))
        if now.key != entry.request.key:
            fired("late-key")
        return await super()._start(pod, replace(entry, request=now))


class ReadyUnasked(Kubelet):
    """A Pod is Ready as soon as it has a process."""

    async def _first_answer(self, entry: Entry) -> bool:
        fired("ready-unasked")
        self._answered[entry.uid] = time.monotonic_ns()
        self._turns.leave(entry.uid)
        return True


class DeathUnseen(Kubelet):
    """A process that ended leaves its Pod as it was."""

    async def _report_end(self, pod: Object, entry: Entry) -> None:
        fired("death-unseen")


class RoomAwaited(Kubelet):
    """A Pod whose process cannot be started, because the disk is full say, stays Pending."""

    async def _over(
        self, pod: Object, entry: Entry | None, reason: str, message: str, code: int | None = None
    ) -> None:
        if reason == START_ERROR:
            fired("room-awaited")
            return
        await super()._over(pod, entry, reason, message, code)


class ProcessKept(Kubelet):
    """A deleted Pod leaves its process behind."""

    async def _finish(self, pod: Object, entry: Entry | None) -> None:
        fired("process-kept")
        await super()._finish(pod, entry and replace(entry, process=None))


class FailureInSnapshot(Kubelet):
    """A failed restore makes the snapshot Failed."""

    async def _start(self, pod: Object, entry: Entry) -> Entry | None:
        started = await super()._start(pod, entry)
        if entry.request.key and (started is None or started.way != RESTORED):
            fired("failure-in-snapshot")
            failed = {"status": {"phase": "Failed", "message": f"not restored: {entry.request.key}"}}
            for found in await self._api.list(SandboxSnapshot, entry.request.namespace):
                await self._api.client.patch(
                    SandboxSnapshot.Status,
                    found["metadata"]["name"],
                    failed,
                    namespace=entry.request.namespace,
                    patch_type=PatchType.MERGE,
                )
        return started


class AnyNodesTasks(Agent):
    """Tasks of every node are answered."""

    def _is_mine(self, task: Task) -> bool:
        if not super()._is_mine(task):
            fired("any-nodes-tasks")
        return True


class TaskUnchecked(Agent):
    """Whatever a task says of provider, snapshot, mode or hash, it is done."""

    def _refusal(self, task: Task, snapshot: Object | None) -> str | None:
        if super()._refusal(task, snapshot):
            fired("task-unchecked")
        return None

    def _refusal_of(self, sandbox: Object | None, task: Task) -> str | None:
        return None


class ReadyUnmade(Agent):
    """A task is Ready whatever became of its artifact."""

    async def _answer(self, found: Object, phase: str, message: str) -> None:
        if phase != READY:
            fired("ready-unmade")
        await super()._answer(found, READY, message)


class AgentWritesSnapshot(Agent):
    """The agent says of the snapshot itself that it is Ready."""

    async def _answer(self, found: Object, phase: str, message: str) -> None:
        await super()._answer(found, phase, message)
        fired("agent-writes-snapshot")
        metadata, spec = found["metadata"], found["spec"]
        await self._api.client.patch(
            SandboxSnapshot.Status,
            spec["snapshotRef"]["name"],
            {"status": {"phase": phase}},
            namespace=metadata["namespace"],
            patch_type=PatchType.MERGE,
        )


class InventoryFrozen(Agent):
    """An artifact that is gone stays in the inventory."""

    async def _publish(self) -> None:
        if not self._published or self._published == "{}":
            await super()._publish()
        elif inventory(await self._driver.list()) != self._published:
            fired("inventory-frozen")


class ArtifactsKept(Agent):
    """What no snapshot needs any more stays restorable."""

    async def _delete_leftovers(self) -> None:
        fired("artifacts-kept")


@dataclass(frozen=True)
class Mutant:
    """A deviation, and the rows that must notice it."""

    parts: Parts
    breaks: tuple[str, ...]


MUTANTS: Final[Mapping[str, Mutant]] = {
    # M9
    "cold-behind-annotation": Mutant(Parts(layer=ColdBehindAnnotation), ("SS-B9", "SS-P1")),
    # M15
    "restore-hangs": Mutant(Parts(layer=RestoreHangs), ("SS-S6", "SS-S7", "SS-K4", "SS-P4")),
    # M59
    "restore-as-slow-as-cold": Mutant(Parts(layer=RestoreAsSlowAsCold), ("SS-P1", "SS-P2")),
    "shared-token": Mutant(Parts(layer=SharedToken), ("SS-F2",)),
    # The node's half of M21
    "any-namespace": Mutant(Parts(layer=AnyNamespace), ("SS-K1", "SS-K4")),
    "late-key": Mutant(Parts(kubelet=LateKey), ("SS-S1",)),
    "ready-unasked": Mutant(Parts(kubelet=ReadyUnasked), ("SS-F7",)),
    "death-unseen": Mutant(Parts(kubelet=DeathUnseen), ("SS-B7", "SS-S7")),
    "room-awaited": Mutant(Parts(kubelet=RoomAwaited), ("SS-X5",)),
    "process-kept": Mutant(Parts(kubelet=ProcessKept), ("SS-B9",)),
    # M41
    "failure-in-snapshot": Mutant(Parts(kubelet=FailureInSnapshot), ("SS-S7",)),
    # M20
    "any-nodes-tasks": Mutant(Parts(agent=AnyNodesTasks), ("SS-B11",)),
    "task-unchecked": Mutant(Parts(agent=TaskUnchecked), ("SS-B11",)),
    # The agent's half of M1
    "ready-unmade": Mutant(Parts(agent=ReadyUnmade), ("SS-B7", "SS-F6")),
    "agent-writes-snapshot": Mutant(Parts(agent=AgentWritesSnapshot), ("SS-B11",)),
    "artifacts-kept": Mutant(Parts(agent=ArtifactsKept), ("SS-K4",)),
    "inventory-frozen": Mutant(Parts(agent=InventoryFrozen), ("SS-I9",)),
}


def apply(parts: Parts, names: Iterable[str]) -> Parts:
    """The parts with these mutants (see `combined`). Raises KeyError for an unknown name."""
    return combined(parts, (MUTANTS[name].parts for name in names))
