"""What a status says of any record (SS-B2 to SS-B5): rules over all manifests."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from reference.snapstart.controller import statuses
from reference.snapstart.controller.planner import Plan
from reference.snapstart.controller.statuses import Statuses, patch_of, shown_set
from reference.snapstart.records import ArtifactPhase, Manifest
from tests.unit.fakeapi import merged
from tests.unit.snapstart.manifests import manifests

PLANS = st.builds(
    Plan, manifests(), st.just([]), st.just([]), st.none() | st.just("SandboxTemplate python not found")
)


def has_ready(manifest: Manifest) -> bool:
    """Whether sessions can be restored."""
    return manifest.active is not None and bool(manifest.active.in_phase(ArtifactPhase.READY))


@given(PLANS, st.booleans())
def test_counts_sum(plan: Plan, started: bool) -> None:
    """The four counters MUST sum to the targets, and none be negative."""
    status = Statuses().status(plan, started=started)
    counters = [status[name] for name in statuses.COUNTERS.values()]
    assert sum(counters) == status["targetNodeCount"]
    assert min(counters) >= 0


@given(PLANS, st.booleans())
def test_ready(plan: Plan, started: bool) -> None:
    """SS-B2: a status MUST say Ready if, and only if, the active set has a Ready artifact."""
    status = Statuses().status(plan, started=started)
    assert (status["phase"] == "Ready") == has_ready(plan.manifest)
    if status["phase"] == "Ready":
        assert status["readyNodeCount"] >= 1


@given(PLANS, st.booleans())
def test_failed(plan: Plan, started: bool) -> None:
    """SS-B4, SS-B5: where nothing can come of it the status MUST say Failed, and why."""
    status = Statuses().status(plan, started=started)
    shown = shown_set(plan.manifest)
    untried = shown is not None and any(
        a.phase is ArtifactPhase.CREATING and a.retry is None for a in shown.artifacts
    )
    if not has_ready(plan.manifest) and (plan.obstacle is not None or not untried):
        assert status["phase"] == "Failed"
    if status["phase"] == "Failed" and status["failedNodeCount"] == status["targetNodeCount"]:
        assert status["message"]


@given(PLANS)
def test_pending_and_creating(plan: Plan) -> None:
    """SS-B1: a status MUST say Creating only once the builds have begun, and Pending never after."""
    before = Statuses().status(plan, started=False)
    after = Statuses().status(plan, started=True)
    assert before["phase"] != "Creating"
    assert after["phase"] != "Pending"
    assert (before["phase"] == "Pending") == (after["phase"] == "Creating")


@given(PLANS, PLANS, st.booleans())
def test_patches(one: Plan, other: Plan, started: bool) -> None:
    """A patch MUST make one status into another, and be empty between equal ones."""
    before = {k: v for k, v in Statuses().status(one, started=started).items() if v is not None}
    wanted = Statuses().status(other, started=True)
    after = merged(before, patch_of(before, wanted))
    assert after == {key: value for key, value in wanted.items() if value is not None}
    assert patch_of(after, wanted) == {}


@given(PLANS)
def test_active_set_is_shown(plan: Plan) -> None:
    """The counters MUST describe the active set wherever there is one, also while another is built."""
    active = plan.manifest.active
    if active is not None:
        alone = replace(plan, manifest=plan.manifest.with_pending(None))
        assert Statuses().status(plan, started=True) == Statuses().status(alone, started=True)
