"""The order of steps in a pass (contract section 6): the record first, then what follows from it.

Whoever reads the record may use a key only while it is there. So a record is cleared before the status says
so and before anything is built anew (SS-I1), and an artifact is in the record before a status calls it Ready
(SS-B12). Each step can be repeated: a controller that was killed between two of them does the rest in its
next pass.
"""

from __future__ import annotations

import datetime
import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from lightkube import ApiError

from reference.api import Kind, status_of
from reference.objects import (
    Object,
    annotations_of,
    is_controlled_by,
    is_terminating,
    name_of,
    namespace_of,
    uid_of,
)
from reference.snapstart import kinds
from reference.snapstart.controller import statuses
from reference.snapstart.controller.artifacts import What
from reference.snapstart.controller.builds import is_started
from reference.snapstart.controller.facts import Facts
from reference.snapstart.controller.planner import Plan
from reference.snapstart.kinds import Sandbox, SandboxSnapshot, SandboxSnapshotTask

if TYPE_CHECKING:
    from reference.snapstart.controller.passes import Pass, Record

_LOG = logging.getLogger(__name__)

FINALIZER: Final = "agentcube.volcano.sh/snapshot-records"

#: HTTP statuses that say that an object as it was asked for will never be accepted.
_NEVER: Final = frozenset({400, 403, 422})


class NameTaken(Exception):  # noqa: N818  reads as what happened
    """Somebody else's object has the name of one that a build needs (SS-B13)."""


class Flow:
    """One pass. Raises what the API server and the store do; the pass is then repeated."""

    async def run(self, on: Pass) -> float | None:
        """A pass over a snapshot; the seconds until the next one, None if only a change has to bring it."""
        if is_terminating(on.snapshot):
            await self.delete(on)
            return None
        await self.hold(on)
        return await self.reconcile(on)

    async def hold(self, on: Pass) -> None:
        """Keep the snapshot from vanishing before its record does."""
        present = on.snapshot["metadata"].get("finalizers") or []
        if FINALIZER not in present:
            patch = {"metadata": {"finalizers": [*present, FINALIZER]}}
            on.snapshot = await on.api.patch(SandboxSnapshot, on.snapshot, patch)

    async def reconcile(self, on: Pass) -> float | None:
        """Bring record, status, Sandboxes and tasks to what they should be now."""
        record = await on.read_record()
        facts = await on.read_facts(record)
        plan = on.planner.advance(record.manifest, facts)
        record = await self.record(on, record, plan)
        await self.announce(on, plan)
        await self.publish(on, plan)
        started = is_started(on.parts.builds.under_way(plan.manifest), facts.sandboxes, facts.tasks)
        if not started and phase_of(on.snapshot) in (None, statuses.READY):
            await self.report(on, plan, started=False)
        if refusals := await self.start(on, plan, facts):
            plan = on.planner.refused(plan, facts, refusals)
            record = await self.record(on, record, plan)
        await self.report(on, plan, started=True)
        kept = await self.clean_up(on, plan, facts)
        return self.again(on, plan, facts, kept)

    async def record(self, on: Pass, record: Record, plan: Plan) -> Record:
        """Write the plan's record. Raises StoreError, or Conflict if somebody else has."""
        return await on.write_record(record, plan)

    # -- deletion ----------------------------------------------------------

    async def delete(self, on: Pass) -> None:
        """Delete the record first, so that no new session has its key; wait for nobody (SS-I7).

        Sandboxes go by hand, because the collector would not see to it that they go before their tasks.
        """
        if FINALIZER not in (on.snapshot["metadata"].get("finalizers") or []):
            return
        await self.delete_record(on)
        for sandbox in (await on.made(Sandbox)).values():
            await on.api.delete(Sandbox, sandbox)
        await self.release(on)

    async def delete_record(self, on: Pass) -> None:
        """Delete the record, readable or not."""
        await on.tools.store.delete(on.owner.store_key, None)

    async def release(self, on: Pass) -> None:
        """Let the snapshot go; its tasks are collected with it."""
        left = [f for f in on.snapshot["metadata"]["finalizers"] if f != FINALIZER]
        await on.api.patch(SandboxSnapshot, on.snapshot, {"metadata": {"finalizers": left}})

    # -- builds ------------------------------------------------------------

    async def publish(self, on: Pass, plan: Plan) -> None:
        """Say which keys are live, so that agents know which artifacts nobody needs any more."""
        live = ",".join(sorted(plan.manifest.artifact_sets))
        if annotations_of(on.snapshot).get(kinds.LIVE_KEYS, "") != live:
            patch = {"metadata": {"annotations": {kinds.LIVE_KEYS: live}}}
            on.snapshot = await on.api.patch(SandboxSnapshot, on.snapshot, patch)

    async def start(self, on: Pass, plan: Plan, facts: Facts) -> dict[str, str]:
        """Create what builds need and lack, Sandboxes first; what was refused for good, by build."""
        builds = on.parts.builds
        refusals: dict[str, str] = {}
        for build in builds.under_way(plan.manifest):
            try:
                if build.name not in facts.sandboxes:
                    await self.create(on, Sandbox, builds.sandbox(facts, build))
                if build.name not in facts.tasks:
                    await self.create(on, SandboxSnapshotTask, builds.task(facts, build))
            except NameTaken as err:
                refusals[build.name] = str(err)
            except ApiError as err:
                if status_of(err) not in _NEVER:
                    raise
                refusals[build.name] = f"not created: {err.status.message}"
        return refusals

    async def create(self, on: Pass, kind: Kind, body: Mapping[str, Any]) -> None:
        """Create an object; it is a success if it is there already. Raises NameTaken."""
        try:
            await on.api.create(kind, body)
        except ApiError as err:
            if status_of(err) != 409:
                raise
            found = await on.api.get(kind, namespace_of(on.snapshot), name_of(body))
            if found is not None and not is_controlled_by(found, uid_of(on.snapshot)):
                raise NameTaken(f"{body['kind']} {name_of(body)} belongs to somebody else") from err

    async def clean_up(self, on: Pass, plan: Plan, facts: Facts) -> list[datetime.timedelta]:
        """Delete what builds that have ended leave behind; how long each task that stays will do so."""
        await self.delete_sandboxes(on, plan, facts)
        return await self.delete_tasks(on, plan, facts)

    async def delete_sandboxes(self, on: Pass, plan: Plan, facts: Facts) -> None:
        """Begin the deletion of Sandboxes."""
        for sandbox in on.parts.builds.surplus_sandboxes(plan.manifest, facts):
            await on.api.delete(Sandbox, sandbox)

    async def delete_tasks(self, on: Pass, plan: Plan, facts: Facts) -> list[datetime.timedelta]:
        """Delete the tasks whose time is over; how long each other one stays."""
        kept = []
        for task, stays in on.parts.builds.surplus_tasks(plan.manifest, facts, on.tools.task_ttl):
            if stays:
                kept.append(stays)
            else:
                await on.api.delete(SandboxSnapshotTask, task)
        return kept

    # -- telling -----------------------------------------------------------

    async def report(self, on: Pass, plan: Plan, *, started: bool) -> None:
        """Write Events and the status, if it changes; Events first, so that a kill loses none."""
        status = on.parts.statuses.status(plan, started=started)
        before = on.snapshot.get("status") or {}
        patch = statuses.patch_of(before, status)
        on.tools.metrics.show(on.owner, status)
        if not patch:
            return
        await self.tell(on, plan, before, status)
        on.snapshot = await on.api.patch_status(SandboxSnapshot, on.snapshot, patch)
        _LOG.info(
            "status written",
            extra={"namespace": on.owner.namespace, "snapshot": on.owner.name, "status": status},
        )

    async def announce(self, on: Pass, plan: Plan) -> None:
        """Write the Events of rebuilds that the record now says have begun."""
        newest = plan.manifest.pending or plan.manifest.active
        if plan.obstacle is None and newest is not None:
            for note in plan.notes:
                if note.what is What.REBUILD:
                    text = f"{note.text}; building {newest.snapshot_key}"
                    await on.tools.events.tell(on.snapshot, kinds.REBUILDING, newest.snapshot_key, text)

    async def tell(self, on: Pass, plan: Plan, before: Object, status: Mapping[str, Any]) -> None:
        """Write the Events of a change of status."""
        events, about = on.tools.events, on.snapshot
        message = str(status["message"] or "")
        shown = statuses.shown_set(plan.manifest)
        key = shown.snapshot_key if shown is not None else ""
        phase = status["phase"]
        if phase == statuses.CREATING and before.get("phase") != phase:
            await events.tell(about, kinds.CREATING, key, f"building {key}")
        if phase == statuses.READY and (
            before.get("phase") != phase or any(note.what is What.PROMOTED for note in plan.notes)
        ):
            await events.tell(about, kinds.READY, key, f"sessions are restored from {key}")
        lacking = status["failedNodeCount"] + status["unavailableNodeCount"]
        if phase == statuses.READY and lacking:
            subject = f"{key}/{status['failedNodeCount']}/{status['unavailableNodeCount']}"
            text = f"{lacking} of {status['targetNodeCount']} nodes cannot restore: {message}"
            await events.warn(about, kinds.DEGRADED, subject, text)
        if phase == statuses.FAILED and before.get("phase") != phase:
            await events.warn(about, kinds.FAILED, key or message, message)

    def again(self, on: Pass, plan: Plan, facts: Facts, kept: list[datetime.timedelta]) -> float | None:
        """Seconds until the next pass has to come."""
        times = [stay.total_seconds() for stay in kept]
        if plan.obstacle is None and (at := on.planner.next_time(plan.manifest, facts)) is not None:
            times.append((at - on.tools.now()).total_seconds())
        return max(0.0, min(times)) if times else None


def phase_of(snapshot: Object) -> str | None:
    """The phase that a status says, None where there is no status."""
    phase: str | None = (snapshot.get("status") or {}).get("phase")
    return phase
