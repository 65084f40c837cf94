"""Wrong substrates: one deviation each, told in its title, and the contract rows that must notice it."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, TypeVar

from google.protobuf.message import Message

from reference.informer import Object
from reference.mutation import combined
from reference.rollout.actors import GOLDEN_ATESPACE
from reference.rollout.substrate.golden import EXPECTED, GoldenMachine, Status
from reference.rollout.substrate.model import Actor, ActorRef, Template, Worker
from reference.rollout.substrate.operations import Operations, TemplateObject
from reference.rollout.substrate.parts import Parts
from reference.rollout.substrate.placement import PoolKey
from reference.rollout.substrate.service import ControlService, Fields, Handler

T = TypeVar("T")


class GoldenRunning(GoldenMachine):
    """The golden is resumed again once its snapshot is taken."""

    async def _save(self, template: Object, status: Status) -> float | None:
        again = await super()._save(template, status)
        if again is None:
            await self._actors.resume(GOLDEN_ATESPACE, status["goldenActorID"])
        return again


class ReadyNoSnapshot(GoldenMachine):
    """Ready is written, the snapshot is not."""

    async def _write(self, template: Object, status: Status) -> None:
        await super()._write(template, {k: v for k, v in status.items() if k != "goldenSnapshot"})


class GoldenGivesUp(GoldenMachine):
    """A golden that cannot be resumed at the first attempt makes the template Failed."""

    async def _boot(self, template: Object, status: Status) -> None:
        try:
            await super()._boot(template, status)
        except EXPECTED:
            await self._write(template, {"phase": "Failed"})


class StrandHeal(Operations):
    """An actor whose template is gone is suspended all the same."""

    async def _suspend(self, ref: ActorRef) -> Actor:
        actor = self._store.actor(ref)
        if self._template_of(actor.template) is not None:
            return await super()._suspend(ref)
        await self._workloads.stop(ref)
        return self._finalize_suspended(actor)


class DeleteRunning(Operations):
    """Actors are deleted in whatever state they are."""

    def _must_be_deletable(self, actor: Actor) -> None:
        """Any will do."""


class NoActorLock(Operations):
    """Operations on one actor wait for each other instead of being refused."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._turns: defaultdict[ActorRef, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def _exclusively(self, ref: ActorRef, operation: Callable[[], Coroutine[Any, Any, T]]) -> T:
        async with self._turns[ref]:
            return await super()._exclusively(ref, operation)


class ResumeWrongPool(Operations):
    """Every pool will do, whatever the selectors say."""

    def _pools_for(self, actor: Actor, template: TemplateObject) -> frozenset[PoolKey]:
        return frozenset((pool.namespace, pool.name) for pool in self._pools())


class GoldenMemory(Operations):
    """Every resume starts from the golden snapshot, whatever the actor has been through since."""

    def _memory_for(self, actor: Actor, template: TemplateObject, boot: bool) -> Mapping[str, int] | None:
        return super()._memory_for(replace(actor, last_snapshot="", local_snapshot=""), template, boot)


class CreateUnchecked(Operations):
    """Actors are created of templates, and in atespaces, that are not there."""

    def _must_be_creatable(self, ref: ActorRef, template: Template) -> None:
        """All are."""


class WorkerLossIgnored(Operations):
    """A lost worker is forgotten, its actor is left as it was."""

    async def worker_lost(self, worker: Worker) -> None:
        self._store.delete_worker(worker)


class AnyId(ControlService):
    """Nobody looks at the id of a new actor."""

    def _create_actor(self, request: Any) -> Fields:
        new = request if self._flat else request.actor
        ref = self._ref(request) if self._flat else ActorRef(new.metadata.atespace, new.metadata.name)
        template = Template(new.actor_template_namespace, new.actor_template_name)
        return {"actor": self._actor(self._operations.create(ref, template, {}))}


class SlowRpc(ControlService):
    """Every call takes twice as long."""

    async def _fields(self, handler: Handler, request: Message) -> Fields:
        began = time.perf_counter()
        try:
            return await super()._fields(handler, request)
        finally:
            await asyncio.sleep(time.perf_counter() - began)


@dataclass(frozen=True)
class Mutant:
    """A deviation, and the rows that must notice it."""

    parts: Parts
    breaks: tuple[str, ...]


MUTANTS: Final[Mapping[str, Mutant]] = {
    "golden-running": Mutant(Parts(golden=GoldenRunning), ("SUB-1",)),
    "ready-no-snapshot": Mutant(Parts(golden=ReadyNoSnapshot), ("SUB-1",)),
    "golden-gives-up": Mutant(Parts(golden=GoldenGivesUp), ("SUB-2", "SUB-3")),
    "golden-cleanup": Mutant(Parts(golden_cleanup=True), ("SUB-4",)),
    "strand-heal": Mutant(Parts(operations=StrandHeal), ("SUB-5",)),
    "delete-running": Mutant(Parts(operations=DeleteRunning), ("SUB-6",)),
    "no-actor-lock": Mutant(Parts(operations=NoActorLock), ("SUB-7",)),
    "resume-wrong-pool": Mutant(Parts(operations=ResumeWrongPool), ("SUB-8",)),
    "golden-memory": Mutant(Parts(operations=GoldenMemory), ("SUB-8",)),
    "any-id": Mutant(Parts(service=AnyId), ("SUB-9",)),
    "create-unchecked": Mutant(Parts(operations=CreateUnchecked), ("SUB-9",)),
    "worker-loss-ignored": Mutant(Parts(operations=WorkerLossIgnored), ("SUB-10",)),
    "slow-rpc": Mutant(Parts(service=SlowRpc), ("performance",)),
}


def apply(parts: Parts, names: Iterable[str]) -> Parts:
    """The parts with these mutants (see `combined`). Raises KeyError for an unknown name."""
    return combined(parts, (MUTANTS[name].parts for name in names))
