"""What becomes of single artifacts, given what nodes and tasks say of them. Pure."""

from __future__ import annotations

import datetime
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from reference.objects import Object, name_of, uid_of
from reference.snapstart import keys
from reference.snapstart.controller.facts import Facts
from reference.snapstart.controller.placement import holds
from reference.snapstart.records import Artifact, ArtifactPhase, ArtifactSet, Manifest, Retry

if TYPE_CHECKING:
    from reference.snapstart.controller.parts import Parts

#: Seconds after its completion in which an artifact may be missing from what its node says it holds.
INVENTORY_GRACE: Final = datetime.timedelta(seconds=2)
#: Names of build Sandboxes are names of Pods and Services.
_NAME_LENGTH: Final = 63


@dataclass(frozen=True)
class Limits:
    """How long a build may take, and how often it is tried again."""

    task_timeout: datetime.timedelta = datetime.timedelta(seconds=30)
    retries: int = 3
    first_retry: datetime.timedelta = datetime.timedelta(seconds=1)


class What(StrEnum):
    """What happened to a record, for metrics and Events."""

    BEGUN = "begun"
    REBUILD = "rebuild"
    PROMOTED = "promoted"
    REMOVED = "removed"
    TASK_READY = "task_ready"
    TASK_FAILED = "task_failed"


@dataclass(frozen=True)
class Note:
    """One thing that happened; `why` is a word for metrics. `seconds`: how long a finished build took."""

    what: What
    key: str
    why: str = ""
    text: str = ""
    seconds: float = 0


@dataclass
class Draft:
    """A record in the making, and what a pass has read."""

    manifest: Manifest
    facts: Facts
    targets: Sequence[str] = ()
    #: The hash of what would be built now.
    current: str = ""
    notes: list[Note] = field(default_factory=list)

    def note(self, what: What, key: str, why: str = "", text: str = "", seconds: float = 0) -> None:
        self.notes.append(Note(what, key, why, text, seconds))

    def forget(self, found: ArtifactSet, why: str) -> None:
        """Note that all artifacts of a set are removed."""
        for _ in found.artifacts:
            self.note(What.REMOVED, found.snapshot_key, why)


class Artifacts:
    """Decides for the artifacts of one snapshot."""

    def __init__(self, parts: Parts, limits: Limits, nonce: Callable[[], str]) -> None:
        self.parts = parts
        self.limits = limits
        self.nonce = nonce

    def look_at_artifacts(self, draft: Draft) -> None:
        """Take in what nodes and tasks say of the artifacts of both sets."""
        for found, write in (
            (draft.manifest.active, Manifest.with_active),
            (draft.manifest.pending, Manifest.with_pending),
        ):
            if found is not None:
                artifacts = {a.node_name: self.artifact_now(draft, found, a) for a in found.artifacts}
                kept = {node: artifact for node, artifact in artifacts.items() if artifact is not None}
                draft.manifest = write(draft.manifest, found.with_artifacts(kept))

    def artifact_now(self, draft: Draft, within: ArtifactSet, artifact: Artifact) -> Artifact | None:
        """An artifact as it is now, None if its record is removed."""
        node = draft.facts.nodes.get(artifact.node_name)
        if node is None:
            draft.note(
                What.REMOVED, within.snapshot_key, "node_removed", f"node {artifact.node_name} is gone"
            )
            return None
        if artifact.is_built:
            return self.built_now(draft, within, artifact, node)
        if artifact.node_name not in draft.targets:
            draft.note(What.REMOVED, within.snapshot_key, "no_target")
            return None
        if within.snapshot_hash != draft.current:
            # What the set was made from is gone: nothing more can be built for it.
            draft.note(What.REMOVED, within.snapshot_key, "source_changed")
            return None
        if artifact.phase is ArtifactPhase.FAILED:
            return self.failed_now(draft, artifact)
        return self.creating_now(draft, within, artifact)

    def built_now(
        self, draft: Draft, within: ArtifactSet, artifact: Artifact, node: Object
    ) -> Artifact | None:
        """A built artifact: Unavailable while its node is not there, built again if the node has lost it."""
        facts = draft.facts
        assert facts.snapshot_class is not None
        if not self.parts.placement.serves(node, facts.snapshot_class):
            return replace(
                artifact,
                phase=ArtifactPhase.UNAVAILABLE,
                message="the node is not Ready, or no longer of the class",
            )
        held = holds(node, artifact.provider_name, facts.namespace, within.snapshot_key, within.snapshot_hash)
        assert artifact.created_at is not None
        if held is False and facts.now - artifact.created_at >= INVENTORY_GRACE:
            return self.lost(draft, within, artifact)
        return replace(artifact, phase=ArtifactPhase.READY, message="")

    def lost(self, draft: Draft, within: ArtifactSet, artifact: Artifact) -> Artifact | None:
        """An artifact that its node no longer holds: its record is removed, and a build begins if it can."""
        draft.note(
            What.REMOVED, within.snapshot_key, "missing", f"node {artifact.node_name} has lost the artifact"
        )
        if artifact.node_name not in draft.targets or within.snapshot_hash != draft.current:
            return None
        return self.new_artifact(draft.facts, within, artifact.node_name)

    def failed_now(self, draft: Draft, artifact: Artifact) -> Artifact:
        """A failed artifact: Creating again when its pause is over (SS-B7)."""
        assert artifact.retry is not None
        due = artifact.retry.next_retry_at
        if due is None or due > draft.facts.now:
            return artifact
        return self.building(draft.facts, artifact)

    def creating_now(self, draft: Draft, within: ArtifactSet, artifact: Artifact) -> Artifact:
        """An artifact that is being built: Ready or Failed once its task is, Failed when time is up."""
        facts = draft.facts
        assert artifact.started_at is not None
        took = (facts.now - artifact.started_at).total_seconds()
        task = facts.tasks.get(artifact.build)
        status: Mapping[str, Any] = {}
        if task is not None and self.is_task_of(task, within, artifact, facts):
            status = task.get("status") or {}
        if status.get("phase") == "Ready":
            draft.note(What.TASK_READY, within.snapshot_key, seconds=took)
            return replace(artifact, phase=ArtifactPhase.READY, created_at=facts.now, retry=None, message="")
        if status.get("phase") == "Failed":
            return self.failed(draft, artifact, str(status.get("message") or "the task failed"))
        if took >= self.limits.task_timeout.total_seconds():
            sandbox = facts.sandboxes.get(artifact.build)
            what = "the build Sandbox was not Ready" if not is_sandbox_ready(sandbox) else "no agent answered"
            return self.failed(draft, artifact, f"{what} within {took:.0f} s")
        return artifact

    def is_task_of(self, task: Object, within: ArtifactSet, artifact: Artifact, facts: Facts) -> bool:
        """Whether a task is about this very artifact of this very snapshot (SS-B10)."""
        spec = task["spec"]
        return (
            spec["snapshotUID"],
            spec["targetNodeName"],
            spec["providerName"],
            spec["snapshotKey"],
            spec["snapshotHash"],
        ) == (
            uid_of(facts.snapshot),
            artifact.node_name,
            artifact.provider_name,
            within.snapshot_key,
            within.snapshot_hash,
        )

    def failed(self, draft: Draft, artifact: Artifact, message: str) -> Artifact:
        """An artifact whose build has failed."""
        draft.note(What.TASK_FAILED, artifact.snapshot_key, text=f"{artifact.node_name}: {message}")
        count = (artifact.retry.failure_count if artifact.retry else 0) + 1
        return replace(
            artifact,
            phase=ArtifactPhase.FAILED,
            retry=Retry(count, draft.facts.now, self.next_retry(draft.facts.now, count)),
            message=message,
        )

    def next_retry(self, now: datetime.datetime, failures: int) -> datetime.datetime | None:
        """When a build that has failed so often is tried again."""
        if failures > self.limits.retries:
            return None
        times: int = 2 ** (failures - 1)
        return now + times * self.limits.first_retry

    def new_artifact(self, facts: Facts, within: ArtifactSet, node: str) -> Artifact:
        """An artifact whose first build begins now."""
        artifact = Artifact(
            facts.provider, node, ArtifactPhase.CREATING, within.snapshot_key, within.snapshot_hash
        )
        return self.building(facts, artifact)

    def building(self, facts: Facts, artifact: Artifact) -> Artifact:
        """An artifact with a new build, whose Sandbox and task have a name that was never used before."""
        node = hashlib.sha256(artifact.node_name.encode()).hexdigest()[:6]
        unique = f"-build-{node}-{self.nonce()}"
        name = keys.normalized(name_of(facts.snapshot))[: _NAME_LENGTH - len(unique)].rstrip("-")
        return replace(artifact, phase=ArtifactPhase.CREATING, started_at=facts.now, build=f"{name}{unique}")


def is_sandbox_ready(sandbox: Object | None) -> bool:
    """Whether a Sandbox says that it is Ready."""
    conditions = ((sandbox or {}).get("status") or {}).get("conditions") or ()
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)
