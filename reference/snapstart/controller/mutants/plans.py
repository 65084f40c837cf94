"""Wrong decisions about records."""

from __future__ import annotations

import dataclasses
from typing import Any

from reference.objects import Object, from_time, uid_of
from reference.snapstart.controller.artifacts import Draft
from reference.snapstart.controller.facts import Facts
from reference.snapstart.controller.planner import Planner
from reference.snapstart.fired import fired
from reference.snapstart.records import Artifact, ArtifactPhase, ArtifactSet, Manifest


class AllNodesFirst(Planner):
    """M5: a set is promoted only when all of its artifacts are Ready."""

    def may_promote(self, pending: ArtifactSet) -> bool:
        whole = bool(pending.artifacts) and all(a.phase is ArtifactPhase.READY for a in pending.artifacts)
        if not whole and super().may_promote(pending):
            fired("promote-when-all")
        return whole


class OldKeyServes(Planner):
    """M6: after a source change the old set stays the active one until the new one is Ready."""

    def is_stale(self, active: ArtifactSet, draft: Draft) -> bool:
        if super().is_stale(active, draft):
            fired("old-key-serves")
        return False

    def rebuild_due(self, manifest: Manifest, facts: Facts) -> Any:
        active = manifest.active
        if active is not None and active.snapshot_hash != self.current_hash(facts):
            return facts.now
        return super().rebuild_due(manifest, facts)


class ClearedRebuild(Planner):
    """M7: a scheduled rebuild begins by forgetting the active set."""

    def before_rebuild(self, draft: Draft) -> None:
        fired("rebuild-clears")
        draft.manifest = draft.manifest.with_active(None)


class NilIsFalse(Planner):
    """M24: a policy that does not say whether to rebuild on changes acts as false."""

    def is_stale(self, active: ArtifactSet, draft: Draft) -> bool:
        found = super().is_stale(active, draft)
        policy = draft.facts.snapshot["spec"].get("forkPolicy") or {}
        if found and policy.get("rebuildOnSourceChange") is None:
            fired("nil-is-false")
            return False
        return found


class NoRetry(Planner):
    """M32: a failed build is never tried again."""

    def next_retry(self, now: Any, failures: int) -> Any:
        fired("no-retry")


class AnyUid(Planner):
    """M34: whose snapshot a task was made for does not matter."""

    def is_task_of(self, task: Object, within: ArtifactSet, artifact: Artifact, facts: Facts) -> bool:
        spec = {**task["spec"], "snapshotUID": uid_of(facts.snapshot)}
        found = super().is_task_of({**task, "spec": spec}, within, artifact, facts)
        if found and not super().is_task_of(task, within, artifact, facts):
            fired("any-uid")
        return found


class RebuildLoop(Planner):
    """M47: the age of a set is counted from the creation of its snapshot, so that a rebuild is always due."""

    def rebuild_due(self, manifest: Manifest, facts: Facts) -> Any:
        due = super().rebuild_due(manifest, facts)
        if due is None:
            return None
        since = facts.snapshot["metadata"]["creationTimestamp"]
        first = dataclasses.replace(manifest.active, ready_at=from_time(since)) if manifest.active else None
        stale = dataclasses.replace(manifest.with_active(first), began_at=None)
        found = super().rebuild_due(stale, facts)
        if found is not None and found <= facts.now < due:
            fired("rebuild-loop")
        return found


class GoneNodeKept(Planner):
    """The artifact of a node that is gone stays in the record."""

    def artifact_now(self, draft: Draft, within: ArtifactSet, artifact: Artifact) -> Artifact | None:
        if artifact.node_name not in draft.facts.nodes:
            fired("gone-node-kept")
            return artifact
        return super().artifact_now(draft, within, artifact)


class LossIgnored(Planner):
    """M51: an artifact that its node no longer holds stays Ready."""

    def lost(self, draft: Draft, within: ArtifactSet, artifact: Artifact) -> Artifact | None:
        fired("loss-ignored")
        return dataclasses.replace(artifact, phase=ArtifactPhase.READY, message="")
