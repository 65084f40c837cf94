"""Wrong acts and words: builds, status, the order of steps, templates of CodeInterpreters."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from reference.objects import Object, name_of, namespace_of
from reference.snapstart.controller import statuses
from reference.snapstart.controller.builds import Build, Builds
from reference.snapstart.controller.facts import Facts
from reference.snapstart.controller.flow import Flow
from reference.snapstart.controller.placement import is_ready
from reference.snapstart.controller.planner import Plan
from reference.snapstart.controller.statuses import Statuses
from reference.snapstart.controller.templates import Templates
from reference.snapstart.fired import fired
from reference.snapstart.kinds import (
    SESSION_ID,
    SNAPSHOT_KEY,
    Node,
    Sandbox,
    SandboxSnapshotTask,
    SandboxTemplate,
    SandboxWarmPool,
)
from reference.snapstart.records import ArtifactSet
from reference.snapstart.store.store import StoreError

if TYPE_CHECKING:
    from reference.snapstart.controller.passes import Pass, Record

# -- builds ----------------------------------------------------------------


class Anywhere(Builds):
    """M28: a build Sandbox goes wherever the scheduler puts it."""

    def node(self, build: Build) -> dict[str, str]:
        fired("build-anywhere")
        return {}


class SessionAsSource(Flow):
    """M35: a session's Sandbox is what is captured, where there is one."""

    async def start(self, on: Pass, plan: Plan, facts: Facts) -> dict[str, str]:
        sessions = await on.api.list(Sandbox, facts.namespace, {SESSION_ID: None})
        if sessions:
            on.parts = dataclasses.replace(on.parts, builds=_FromSessions(sessions))
        return await super().start(on, plan, facts)


class _FromSessions(Builds):
    def __init__(self, sessions: Sequence[Object]) -> None:
        self._sessions = sessions

    def source_of(self, facts: Facts, build: Build) -> str:
        fired("session-as-source")
        return name_of(self._sessions[0])


# -- status ----------------------------------------------------------------


class LostNodes(Statuses):
    """M17: failed and unavailable nodes are targets no more, so the counts do not sum to what was wanted."""

    def counts(self, shown: ArtifactSet | None) -> dict[str, int]:
        found = super().counts(shown)
        lacking = found["failedNodeCount"] + found["unavailableNodeCount"]
        if lacking:
            fired("counts-lose-nodes")
        return {**found, "failedNodeCount": 0, "unavailableNodeCount": 0}


class NeverFailed(Statuses):
    """M29: a snapshot whose builds have all failed stays Creating."""

    def is_failed(self, plan: Plan, shown: ArtifactSet) -> bool:
        found = super().is_failed(plan, shown)
        if found and shown.artifacts:
            fired("never-failed")
            return False
        return found


class PendingWithoutNodes(Statuses):
    """M30: a snapshot without a target stays Pending."""

    def phase(self, plan: Plan, shown: ArtifactSet | None, started: bool) -> str:
        if plan.obstacle is None and (shown is None or not shown.artifacts):
            fired("pending-without-nodes")
            return statuses.PENDING
        return super().phase(plan, shown, started)


class RestoreFailures(Flow):
    """M41: a session whose restore has failed makes its snapshot Failed."""

    async def report(self, on: Pass, plan: Plan, *, started: bool) -> None:
        found = await on.api.list(Sandbox, namespace_of(on.snapshot), {SESSION_ID: None})
        if any(_has_failed(sandbox) for sandbox in found):
            fired("restore-failure-in-status")
            plan = dataclasses.replace(
                plan, manifest=plan.manifest.with_active(None), obstacle="a restore failed"
            )
        await super().report(on, plan, started=started)

    def again(self, on: Pass, plan: Plan, facts: Facts, kept: Any) -> float | None:
        # Nobody watches the Sandboxes of sessions.
        after = super().again(on, plan, facts, kept)
        return 1.0 if after is None else min(after, 1.0)


def _has_failed(sandbox: Object) -> bool:
    conditions = (sandbox.get("status") or {}).get("conditions") or ()
    key = (sandbox["spec"]["podTemplate"].get("metadata") or {}).get("annotations") or {}
    return SNAPSHOT_KEY in key and any(c["type"] == "Finished" and c["status"] == "True" for c in conditions)


# -- order -----------------------------------------------------------------


class Unrecorded(Flow):
    """M36: what a record cannot be made to say is taken to be said by it."""

    async def record(self, on: Pass, record: Record, plan: Plan) -> Record:
        try:
            return await super().record(on, record, plan)
        except StoreError:
            fired("unrecorded")
            return dataclasses.replace(record, manifest=plan.manifest)


class WaitForDeadNodes(Flow):
    """M14: a snapshot is deleted only when all nodes of its artifacts are Ready."""

    async def delete(self, on: Pass) -> None:
        record = await on.read_record()
        nodes = {name_of(node): node for node in await on.api.list(Node, "")}
        for found in record.manifest.artifact_sets.values():
            for artifact in found.artifacts:
                node = nodes.get(artifact.node_name)
                if node is None or not is_ready(node):
                    fired("wait-for-dead-nodes")
                    return
        await super().delete(on)


class RecordLast(Flow):
    """M49: the record of a deleted snapshot is left to whoever finds it."""

    async def delete_record(self, on: Pass) -> None:
        fired("record-last")


class TaskFirst(Flow):
    """M33: a task is deleted before its Sandbox."""

    async def delete_sandboxes(self, on: Pass, plan: Plan, facts: Facts) -> None:
        surplus = on.parts.builds.surplus_sandboxes(plan.manifest, facts)
        if surplus:
            fired("task-first")
        for sandbox in surplus:
            if (task := facts.tasks.get(name_of(sandbox))) is not None:
                await on.api.delete(SandboxSnapshotTask, task)
        await super().delete_sandboxes(on, plan, facts)


class KeyInTemplate(Flow):
    """M44: the active key is written into the template, so that refills of pools get it too."""

    async def publish(self, on: Pass, plan: Plan) -> None:
        await super().publish(on, plan)
        active = plan.manifest.active
        name = on.snapshot["spec"]["sourceRef"]["name"]
        pools = await on.api.list(SandboxWarmPool, namespace_of(on.snapshot))
        pooled = any(pool["spec"]["sandboxTemplateRef"]["name"] == name for pool in pools)
        template = await on.api.get(SandboxTemplate, namespace_of(on.snapshot), name)
        if active is None or template is None or not pooled:
            return
        metadata = template["spec"]["podTemplate"].get("metadata") or {}
        if (metadata.get("annotations") or {}).get(SNAPSHOT_KEY) != active.snapshot_key:
            fired("key-in-template")
            annotations = {SNAPSHOT_KEY: active.snapshot_key}
            patch = {"spec": {"podTemplate": {"metadata": {"annotations": annotations}}}}
            await on.api.patch(SandboxTemplate, template, patch)


# -- templates of CodeInterpreters -----------------------------------------


class TemplateWithPool(Templates):
    """M26: only a CodeInterpreter with a pool has a template."""

    def wants(self, owner: Object) -> bool:
        if not owner["spec"].get("warmPoolSize"):
            fired("template-with-pool")
            return False
        return True


class EditsKept(Templates):
    """M27: a template that was edited stays as it is."""

    def repair(self, found: Object, wanted: Mapping[str, Any]) -> dict[str, Any] | None:
        if super().repair(found, wanted) is not None:
            fired("edits-kept")
        return None
