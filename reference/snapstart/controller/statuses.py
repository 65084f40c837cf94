"""What a snapshot's status says of its record (contract sections 2 and 5). Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from reference.objects import Object, as_time
from reference.snapstart.controller.planner import Plan
from reference.snapstart.records import ArtifactPhase, ArtifactSet, Manifest

PENDING: Final = "Pending"
CREATING: Final = "Creating"
READY: Final = "Ready"
FAILED: Final = "Failed"

#: The counter of a status that an artifact of a phase is counted in.
COUNTERS: Final = {
    ArtifactPhase.CREATING: "creatingNodeCount",
    ArtifactPhase.READY: "readyNodeCount",
    ArtifactPhase.FAILED: "failedNodeCount",
    ArtifactPhase.UNAVAILABLE: "unavailableNodeCount",
}


class Statuses:
    """Phase, counts and message."""

    def status(self, plan: Plan, *, started: bool) -> dict[str, Any]:
        """The whole status; what is None is absent. `started`: every build has its Sandbox and task."""
        shown = shown_set(plan.manifest)
        active = plan.manifest.active
        return {
            "phase": self.phase(plan, shown, started),
            **self.counts(shown),
            "readyAt": as_time(active.ready_at) if active is not None and active.ready_at else None,
            "message": self.message(plan, shown) or None,
        }

    def phase(self, plan: Plan, shown: ArtifactSet | None, started: bool) -> str:
        """How far the snapshot is."""
        if plan.manifest.active is not None and plan.manifest.active.in_phase(ArtifactPhase.READY):
            return READY
        if plan.obstacle is not None or shown is None or self.is_failed(plan, shown):
            return FAILED
        return CREATING if started else PENDING

    def is_failed(self, plan: Plan, shown: ArtifactSet) -> bool:
        """Whether nothing can come of a set now: no target, or every build has failed at least once.

        A build that is tried again keeps the phase at Failed until it has succeeded.
        """
        waiting = [a for a in shown.artifacts if a.phase is ArtifactPhase.CREATING and a.retry is None]
        return not waiting

    def counts(self, shown: ArtifactSet | None) -> dict[str, int]:
        """The counters: the last four sum to the first."""
        artifacts = shown.artifacts if shown is not None else ()
        counted = {name: sum(a.phase is phase for a in artifacts) for phase, name in COUNTERS.items()}
        return {"targetNodeCount": len(artifacts), **counted}

    def message(self, plan: Plan, shown: ArtifactSet | None) -> str:
        """What somebody who looks at the snapshot should know."""
        if plan.obstacle is not None:
            return plan.obstacle
        if shown is None or not shown.artifacts:
            return "no node is Ready, of the class, and open to the Pod"
        said = [f"{a.node_name}: {a.message}" for a in shown.artifacts if a.message]
        return "; ".join(said)


def shown_set(manifest: Manifest) -> ArtifactSet | None:
    """The set that a status describes: the active one, before the first promotion the pending one."""
    return manifest.active or manifest.pending


def patch_of(before: Object, status: Mapping[str, Any]) -> dict[str, Any]:
    """The merge patch that turns one status into another; empty if they are the same."""
    return {key: value for key, value in status.items() if before.get(key) != value}
