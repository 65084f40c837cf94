"""What can be done with an actor, step by step; states, codes and texts of contract sections 8 and 14.

Each step that changes state commits it before the next one acts, and each operation, called again, goes on
where the last one stopped: so a kill between any two steps costs nothing but the call. An operation runs to
its end even if its caller goes away.
"""

from __future__ import annotations

import asyncio
import datetime
import logging
import secrets
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from dataclasses import replace
from typing import Any, Final, Protocol, TypeAlias, TypeVar

from reference.rollout.ateapi import Status
from reference.rollout.substrate.environment import SecretReader, environment
from reference.rollout.substrate.errors import InternalError, RefusedError, aborted, missing, precondition
from reference.rollout.substrate.model import Actor, ActorRef, Pool, Template, Worker
from reference.rollout.substrate.placement import PoolKey, choose, eligible_pools
from reference.rollout.substrate.store import Store, Workload

_LOG = logging.getLogger(__name__)

T = TypeVar("T")
#: An ActorTemplate object.
TemplateObject: TypeAlias = Mapping[str, Any]

#: Seconds within which an operation ends: less than the 30 s that upstream holds an actor's lock.
OPERATION_LIMIT: Final = 28.0


class Workloads(Protocol):
    """How the processes of actors are handled (`herder.Herder`)."""

    async def start(
        self, ref: ActorRef, template: str, env: Mapping[str, str], memory: Mapping[str, int] | None
    ) -> Workload:
        """Start one."""

    async def until_ready(self, workload: Workload, paths: list[str]) -> None:
        """Wait until all paths answer."""

    async def freeze(self, workload: Workload) -> Mapping[str, int]:
        """Its memory, for the last time."""

    async def stop(self, ref: ActorRef) -> None:
        """Kill it."""


class Operations:
    """All operations on actors. Raise RefusedError, InternalError.

    `template_of` finds an ActorTemplate, `pools` lists the WorkerPools; the delays, in seconds, are what a
    real sandbox would take to restore and to write a snapshot. `hold(actor)` is called before an actor is
    started.
    """

    def __init__(
        self,
        store: Store,
        workloads: Workloads,
        template_of: Callable[[Template], TemplateObject | None],
        pools: Callable[[], Iterable[Pool]],
        secret: SecretReader,
        *,
        has_atespaces: bool,
        restore_delay: float = 0.0,
        checkpoint_delay: float = 0.0,
        hold: Callable[[Actor], Awaitable[None]] | None = None,
    ) -> None:
        self._store = store
        self._workloads = workloads
        self._template_of = template_of
        self._pools = pools
        self._secret = secret
        self._has_atespaces = has_atespaces
        self._restore_delay = restore_delay
        self._checkpoint_delay = checkpoint_delay
        self._hold = hold
        self._under_way: set[ActorRef] = set()
        self._tasks: set[asyncio.Task[Any]] = set()

    # What callers ask for

    def create(self, ref: ActorRef, template: Template, selector: Mapping[str, str]) -> Actor:
        """A new actor, SUSPENDED, version 1 (SUB-9)."""
        self._must_be_creatable(ref, template)
        actor = Actor(ref, template, selector=selector)
        self._store.create_actor(actor)
        return actor

    async def resume(self, ref: ActorRef, *, boot: bool = False) -> Actor:
        """Let an actor run: from its latest snapshot, else the golden one, else from nothing (SUB-8)."""
        return await self._exclusively(ref, lambda: self._resume(ref, boot))

    async def suspend(self, ref: ActorRef) -> Actor:
        """Save an actor's memory and free its worker."""
        return await self._exclusively(ref, lambda: self._suspend(ref))

    async def pause(self, ref: ActorRef) -> Actor:
        """As suspend, with the memory kept on the worker's node."""
        return await self._exclusively(ref, lambda: self._pause(ref))

    def delete(self, ref: ActorRef) -> Actor:
        """Forget a suspended actor (SUB-6); as it was."""
        actor = self._store.actor(ref)
        self._must_be_deletable(actor)
        self._must_be_alone(ref)
        self._store.delete_actor(actor)
        return actor

    def delete_atespace(self, name: str) -> None:
        """Forget an atespace without actors."""
        if name not in self._store.atespaces():
            raise missing(f"Atespace {name} not found")
        if self._store.actors(name, limit=1):
            raise precondition(f"Atespace {name} is not empty")
        self._store.delete_atespace(name)

    # What happens by itself

    async def worker_lost(self, worker: Worker) -> None:
        """The pod of a worker is gone: so is the process of its actor, which is SUSPENDED now (SUB-10)."""
        lost = None
        with self._store.transaction():
            for known, actor in self._store.workers():
                if (known.namespace, known.pod) == (worker.namespace, worker.pod) and actor is not None:
                    lost = self._store.update_actor(_without_worker(actor))
            self._store.delete_worker(worker)
        if lost is not None:
            _LOG.warning("worker lost", extra={"worker": worker.pod, "actor": lost.ref.id})
            await self._workloads.stop(lost.ref)

    def workload_ended(self, workload: Workload) -> None:
        """The process of an actor ended by itself: as if its worker were lost, but the worker stays."""
        self._store.delete_workload(workload)
        if not self._store.has_actor(workload.ref) or workload.ref in self._under_way:
            return
        actor = self._store.actor(workload.ref)
        if actor.status is Status.RUNNING:
            self._store.update_actor(_without_worker(actor))

    async def recover(self) -> None:
        """After a start: end what the last run had under way, and release actors whose processes are gone."""
        for actor in self._store.actors():
            workload = self._store.workload(actor.ref)
            if actor.status is Status.RUNNING and workload is None:
                self._store.update_actor(_without_worker(actor))
            elif actor.status in (Status.SUSPENDED, Status.PAUSED) and workload is not None:
                await self._workloads.stop(actor.ref)
            elif actor.status in (Status.RESUMING, Status.SUSPENDING, Status.PAUSING):
                self._keep(self._finish(actor))
        for workload in self._store.workloads():
            if not self._store.has_actor(workload.ref):
                await self._workloads.stop(workload.ref)

    async def discard(self, ref: ActorRef) -> None:
        """Remove an actor in whatever state, and its snapshots (knob golden_cleanup=server)."""
        actor = self._store.actor(ref)
        await self._workloads.stop(ref)
        with self._store.transaction():
            self._store.delete_snapshots([actor.last_snapshot, actor.local_snapshot])
            self._store.delete_actor(actor)

    async def close(self) -> None:
        """Give up what is under way; the next start goes on with it."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # Steps

    async def _resume(self, ref: ActorRef, boot: bool) -> Actor:
        actor = self._store.actor(ref)
        template = self._require_template(actor, "LoadActorForResume")
        if actor.status is Status.RUNNING:
            return actor
        actor = self._assign(actor, template)
        if self._hold is not None:
            await self._hold(actor)
        memory = self._memory_for(actor, template, boot)
        env = await environment(template, self._secret)
        workload = await self._workloads.start(ref, actor.template.name, env, memory)
        await asyncio.sleep(self._restore_delay)
        await self._workloads.until_ready(workload, _readiness_paths(template))
        return await self._finalize_running(actor)

    def _assign(self, actor: Actor, template: TemplateObject) -> Actor:
        """Pick a worker, or keep the one that an earlier attempt picked; the actor is RESUMING then."""
        pools = self._pools_for(actor, template)
        worker = actor.worker
        if worker is None or (worker.namespace, worker.pool) not in pools:
            worker = choose(self._store.free_workers(), pools)
        return self._store.update_actor(
            replace(actor, status=Status.RESUMING, worker=worker, in_progress_snapshot="")
        )

    def _pools_for(self, actor: Actor, template: TemplateObject) -> frozenset[PoolKey]:
        return eligible_pools(self._pools(), template["spec"], actor.selector)

    def _memory_for(self, actor: Actor, template: TemplateObject, boot: bool) -> Mapping[str, int] | None:
        """The memory an actor starts with, None for a cold boot."""
        golden = (template.get("status") or {}).get("goldenSnapshot") or ""
        uri = actor.local_snapshot or actor.last_snapshot or ("" if boot else golden)
        if not uri:
            return None
        try:
            return self._store.snapshot(uri)
        except KeyError as err:
            raise InternalError(f"snapshot {uri} of {actor.ref} is not there") from err

    async def _finalize_running(self, actor: Actor) -> Actor:
        if self._store.workload(actor.ref) is None:
            raise InternalError(f"the workload of {actor.ref} has ended")
        try:
            return self._store.update_actor(replace(actor, status=Status.RUNNING, local_snapshot=""))
        except RefusedError:
            # Its worker was lost meanwhile: what was started belongs to nobody.
            await self._workloads.stop(actor.ref)
            raise

    async def _suspend(self, ref: ActorRef) -> Actor:
        actor = self._store.actor(ref)
        template = self._require_template(actor, "LoadActorForSuspend")
        if actor.status is Status.SUSPENDED:
            return actor
        if actor.status is Status.RUNNING:
            uri = _snapshot_uri(template, actor)
            actor = self._store.update_actor(
                replace(actor, status=Status.SUSPENDING, in_progress_snapshot=uri)
            )
        if actor.worker is None:
            raise InternalError(f"{ref} is {actor.status} but has no worker")
        if actor.status is Status.SUSPENDING:
            actor = await self._checkpoint(actor, _scope(template, "onCommit"))
        # A RESUMING actor has no memory worth keeping: what it has is the snapshot it was to start from.
        await self._workloads.stop(ref)
        return self._finalize_suspended(actor)

    def _finalize_suspended(self, actor: Actor) -> Actor:
        return self._store.update_actor(
            replace(
                actor,
                status=Status.SUSPENDED,
                worker=None,
                last_snapshot=actor.in_progress_snapshot or actor.last_snapshot,
                in_progress_snapshot="",
            )
        )

    async def _pause(self, ref: ActorRef) -> Actor:
        actor = self._store.actor(ref)
        template = self._require_template(actor, "LoadActorForPause")
        if actor.status is Status.PAUSED:
            return actor
        if actor.status is Status.RUNNING:
            uri = _snapshot_uri(template, actor)
            actor = self._store.update_actor(replace(actor, status=Status.PAUSING, in_progress_snapshot=uri))
        if actor.status is not Status.PAUSING:
            raise precondition(
                f"MarkPausing prerequisite not met for Actor: {ref}"
                f" (got: {actor.status}, want {Status.RUNNING})"
            )
        actor = await self._checkpoint(actor, _scope(template, "onPause"))
        await self._workloads.stop(ref)
        return self._store.update_actor(
            replace(
                actor,
                status=Status.PAUSED,
                worker=None,
                local_snapshot=actor.in_progress_snapshot,
                in_progress_snapshot="",
            )
        )

    async def _checkpoint(self, actor: Actor, scope: str) -> Actor:
        """Write the snapshot that is in progress, unless it was written already.

        A workload that is gone left nothing to save: then none is in progress in what is returned.
        """
        if self._store.has_snapshot(actor.in_progress_snapshot):
            return actor
        workload = self._store.workload(actor.ref)
        if workload is None:
            return replace(actor, in_progress_snapshot="")
        memory = await self._workloads.freeze(workload)
        await asyncio.sleep(self._checkpoint_delay)
        self._store.put_snapshot(actor.in_progress_snapshot, memory if scope == "Full" else None)
        return actor

    def _must_be_creatable(self, ref: ActorRef, template: Template) -> None:
        if self._template_of(template) is None:
            raise precondition(f"ActorTemplate {template.namespace}/{template.name} not found")
        if self._has_atespaces and ref.atespace not in self._store.atespaces():
            raise precondition(f"Atespace {ref.atespace} not found")

    def _must_be_deletable(self, actor: Actor) -> None:
        if actor.status is not Status.SUSPENDED:
            raise precondition(f"Actor {actor.ref} is not suspended (status: {actor.status})")

    def _require_template(self, actor: Actor, step: str) -> TemplateObject:
        """SUB-5: without its template an actor can be neither suspended nor resumed."""
        template = self._template_of(actor.template)
        if template is None:
            raise InternalError(
                f"workflow failed at step {step}: while getting ActorTemplate: "
                f'actortemplate.ate.dev "{actor.template.name}" not found'
            )
        return template

    # One at a time

    async def _exclusively(self, ref: ActorRef, operation: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Run the one operation on an actor (SUB-7), to its end or its limit."""
        self._must_be_alone(ref)
        self._under_way.add(ref)

        async def run() -> T:
            try:
                async with asyncio.timeout(OPERATION_LIMIT):
                    return await operation()
            except TimeoutError as err:
                raise InternalError(f"an operation on {ref} took longer than {OPERATION_LIMIT} s") from err
            finally:
                self._under_way.discard(ref)

        return await asyncio.shield(self._keep(run()))

    def _must_be_alone(self, ref: ActorRef) -> None:
        if ref in self._under_way:
            raise aborted("another operation is in progress for this actor")

    def _keep(self, operation: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        task = asyncio.get_running_loop().create_task(operation)
        self._tasks.add(task)
        task.add_done_callback(self._forget)
        return task

    def _forget(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        # Its caller may be gone, and nobody else asks for the error.
        if not task.cancelled():
            task.exception()

    async def _finish(self, actor: Actor) -> None:
        """Call again the operation that left an actor as it is."""
        again = {
            Status.RESUMING: self.resume,
            Status.SUSPENDING: self.suspend,
            Status.PAUSING: self.pause,
        }[actor.status]
        try:
            await again(actor.ref)
        except (RefusedError, InternalError) as err:
            _LOG.warning("cannot be finished yet", extra={"actor": actor.ref.id, "error": str(err)})


def _without_worker(actor: Actor) -> Actor:
    return replace(actor, status=Status.SUSPENDED, worker=None, in_progress_snapshot="")


def _readiness_paths(template: TemplateObject) -> list[str]:
    """What must answer before an actor counts as running: every readiness probe, at least its health."""
    probes = [container.get("readyz") for container in template["spec"].get("containers") or []]
    return [probe["httpGet"].get("path") or "/readyz" for probe in probes if probe]


def _scope(template: TemplateObject, when: str) -> str:
    return str(template["spec"]["snapshotsConfig"].get(when) or "Full")


def _snapshot_uri(template: TemplateObject, actor: Actor) -> str:
    location = str(template["spec"]["snapshotsConfig"]["location"]).rstrip("/")
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    return f"{location}/{actor.ref.id}/{now}-{secrets.token_hex(8)}"
