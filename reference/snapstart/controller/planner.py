"""What a snapshot's record becomes, given what a pass has read (contract sections 3, 5 and 6). Pure.

The steps come in the order of `Planner.advance`: what is no longer true is forgotten first, then what was
built is taken in, then new builds begin. The record that results is written before anything is done about it.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from reference.objects import generation_of, name_of, uid_of
from reference.snapstart import keys
from reference.snapstart.controller.artifacts import INVENTORY_GRACE, Artifacts, Draft, Note, What
from reference.snapstart.controller.facts import Facts, rebuilds_on_source_change
from reference.snapstart.records import Artifact, ArtifactPhase, ArtifactSet, Manifest


@dataclass(frozen=True)
class Plan:
    """The record after a pass, and how it came to be so. `obstacle`: why nothing can be built."""

    manifest: Manifest
    notes: Sequence[Note]
    targets: Sequence[str]
    obstacle: str | None


class Planner(Artifacts):
    """Decides for one snapshot."""

    def advance(self, manifest: Manifest, facts: Facts) -> Plan:
        """The record after this pass."""
        draft = Draft(manifest, facts)
        obstacle = self.parts.checks.obstacle(facts)
        if obstacle is not None:
            self.clear_active(draft, "obstacle", obstacle)
            self.drop_pending(draft, "obstacle")
            return Plan(draft.manifest, draft.notes, (), obstacle)
        draft.targets = self.targets(facts)
        draft.current = self.current_hash(facts)
        self.judge(draft)
        self.look_at_artifacts(draft)
        self.judge_use(draft)
        self.promote(draft)
        self.give_up(draft)
        self.begin(draft)
        self.extend(draft)
        return Plan(draft.manifest, draft.notes, draft.targets, None)

    def targets(self, facts: Facts) -> list[str]:
        """The names of the target nodes."""
        assert facts.snapshot_class is not None
        return self.parts.placement.targets(
            facts.nodes.values(), facts.snapshot_class, facts.spec, facts.runtime_class
        )

    def current_hash(self, facts: Facts) -> str:
        """The hash of what would be built now."""
        assert facts.source is not None and facts.snapshot_class is not None
        return self.parts.hashing.hash(facts.mode, facts.source, facts.snapshot_class)

    # -- what is no longer true -------------------------------------------

    def judge(self, draft: Draft) -> None:
        """Forget sets that were made from something else (SS-I1), and say what was lost (SS-K2)."""
        manifest, facts = draft.manifest, draft.facts
        if facts.record_lost:
            draft.note(What.REBUILD, "", "record_lost", "the record of the artifacts was lost")
        if manifest.active is not None and self.is_stale(manifest.active, draft):
            self.clear_active(draft, "source_changed", "the source has changed")
        if manifest.pending is not None and manifest.pending.snapshot_hash != draft.current:
            self.drop_pending(draft, "source_changed")

    def is_stale(self, active: ArtifactSet, draft: Draft) -> bool:
        """Whether sessions must no longer be restored from the active set.

        A source that was made anew is another one, whatever the policy says of changes.
        """
        facts = draft.facts
        assert facts.source is not None
        if active.snapshot_hash == draft.current:
            return False
        return rebuilds_on_source_change(facts.snapshot) or active.source_uid != uid_of(facts.source)

    def clear_active(self, draft: Draft, why: str, text: str) -> None:
        """Forget the active set."""
        if (active := draft.manifest.active) is not None:
            draft.forget(active, why)
            draft.note(What.REBUILD, active.snapshot_key, why, text)
            draft.manifest = draft.manifest.with_active(None)

    def drop_pending(self, draft: Draft, why: str) -> None:
        """Forget the pending set."""
        if (pending := draft.manifest.pending) is not None:
            draft.forget(pending, why)
            draft.manifest = draft.manifest.with_pending(None)

    def judge_use(self, draft: Draft) -> None:
        """Forget an active set of which nothing is left to restore from, now or later (SS-I9)."""
        active = draft.manifest.active
        if active is not None and not any(artifact.is_built for artifact in active.artifacts):
            self.clear_active(draft, "unusable", "no artifact is left")

    # -- sets --------------------------------------------------------------

    def promote(self, draft: Draft) -> None:
        """The pending set becomes the active one with its first Ready artifact (SS-B2, SS-I5)."""
        pending = draft.manifest.pending
        if pending is None or not self.may_promote(pending):
            return
        if draft.manifest.active is not None:
            draft.forget(draft.manifest.active, "replaced")
        draft.manifest = draft.manifest.promoted(draft.facts.now)
        draft.note(What.PROMOTED, pending.snapshot_key)

    def may_promote(self, pending: ArtifactSet) -> bool:
        """Whether sessions can be restored from a set."""
        return bool(pending.in_phase(ArtifactPhase.READY))

    def give_up(self, draft: Draft) -> None:
        """A scheduled rebuild that has failed on all nodes is dropped; the active set stays (SS-I5)."""
        manifest = draft.manifest
        if manifest.active is not None and manifest.pending is not None:
            artifacts = manifest.pending.artifacts
            if artifacts and all(is_given_up(artifact) for artifact in artifacts):
                self.drop_pending(draft, "rebuild_failed")

    def begin(self, draft: Draft) -> None:
        """Begin a pending set where there is none to restore from, or the active one is due."""
        manifest, facts = draft.manifest, draft.facts
        if manifest.pending is not None:
            return
        if manifest.active is not None:
            due = self.rebuild_due(manifest, facts)
            if due is None or due > facts.now:
                return
        assert facts.source is not None
        sequence = manifest.sequence + 1
        key = self.new_key(facts, sequence)
        if manifest.active is not None:
            draft.note(What.REBUILD, key, "rebuild_after", "the active set has reached its age")
            self.before_rebuild(draft)
        begun = replace(draft.manifest, sequence=sequence, began_at=facts.now)
        draft.manifest = begun.with_pending(ArtifactSet(key, draft.current, uid_of(facts.source)))
        draft.note(What.BEGUN, key)

    def before_rebuild(self, draft: Draft) -> None:
        """What happens to the active set when a scheduled rebuild begins: nothing."""

    def rebuild_due(self, manifest: Manifest, facts: Facts) -> datetime.datetime | None:
        """When the next scheduled rebuild is due: one period after the last one succeeded or was tried."""
        after = facts.rebuild_after
        if after is None or manifest.active is None:
            return None
        times = [at for at in (manifest.active.ready_at, manifest.began_at) if at is not None]
        return max(times) + after

    def new_key(self, facts: Facts, sequence: int) -> str:
        """A key for a new set."""
        snapshot = facts.snapshot
        return keys.snapshot_key(
            name_of(snapshot), facts.mode, generation_of(snapshot), sequence, uid_of(snapshot), self.nonce()
        )

    def extend(self, draft: Draft) -> None:
        """Build the newest set on all targets that have no artifact of it, while its source is unchanged."""
        manifest = draft.manifest
        newest = manifest.pending or manifest.active
        if newest is None or newest.snapshot_hash != draft.current:
            return
        missing = [node for node in draft.targets if newest.on(node) is None]
        if not missing:
            return
        artifacts = {a.node_name: a for a in newest.artifacts}
        artifacts |= {node: self.new_artifact(draft.facts, newest, node) for node in missing}
        extended = newest.with_artifacts(artifacts)
        write = Manifest.with_pending if manifest.pending is not None else Manifest.with_active
        draft.manifest = write(manifest, extended)

    def refused(self, plan: Plan, facts: Facts, refusals: Mapping[str, str]) -> Plan:
        """The plan after the API server refused to create Sandboxes or tasks of builds, by build."""
        draft = Draft(plan.manifest, facts, plan.targets)
        for found, write in (
            (draft.manifest.active, Manifest.with_active),
            (draft.manifest.pending, Manifest.with_pending),
        ):
            if found is not None:
                artifacts = {
                    a.node_name: self.failed(draft, a, refusals[a.build]) if a.build in refusals else a
                    for a in found.artifacts
                }
                draft.manifest = write(draft.manifest, found.with_artifacts(artifacts))
        return replace(plan, manifest=draft.manifest, notes=[*plan.notes, *draft.notes])

    # -- time --------------------------------------------------------------

    def next_time(self, manifest: Manifest, facts: Facts) -> datetime.datetime | None:
        """When the next pass is due even if nothing changes."""
        times = [self.rebuild_due(manifest, facts)] if manifest.pending is None else []
        for found in manifest.artifact_sets.values():
            for artifact in found.artifacts:
                if artifact.phase is ArtifactPhase.CREATING and artifact.started_at is not None:
                    times.append(artifact.started_at + self.limits.task_timeout)
                elif artifact.phase is ArtifactPhase.FAILED and artifact.retry is not None:
                    times.append(artifact.retry.next_retry_at)
                elif artifact.created_at is not None and facts.now - artifact.created_at < INVENTORY_GRACE:
                    times.append(artifact.created_at + INVENTORY_GRACE)
        return min((at for at in times if at is not None), default=None)


def is_given_up(artifact: Artifact) -> bool:
    """Whether an artifact has failed and is not tried again."""
    return (
        artifact.phase is ArtifactPhase.FAILED
        and artifact.retry is not None
        and artifact.retry.next_retry_at is None
    )
