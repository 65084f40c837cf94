"""What users see of a session: nothing of how it was started, and nothing that they could steer it by."""

from __future__ import annotations

import pytest

from fixtures.conformance import conformance, provisional
from fixtures.system.snapstart.views import SNAPSHOT_KEY

pytestmark = provisional(since="0.1.0", promote_by="2027-02-28")

FORK = ["SnapshotForkMode"]


@conformance(id="SS-S5", profile="SNAPSTART", level="core", features=FORK, killers=["ss/M39"])
def test_both_paths_answer_alike(snapstart):
    """The answer to a request MUST have the same fields whether the session was restored or not."""
    cold = snapstart.session()
    snapshot = snapstart.ready_snapshot()
    restored = snapstart.session()

    snapstart.is_restored(restored, snapstart.active_key(snapshot))
    assert cold.key is None
    assert {k: type(v) for k, v in cold.answer.items()} == {k: type(v) for k, v in restored.answer.items()}


@pytest.mark.parametrize("snapshots", [False, True], ids=["cold", "restored"])
@conformance(id="SS-A6", profile="SNAPSTART", level="core", features=FORK, killers=["ss/M25"])
def test_a_key_of_a_user_is_not_used(snapstart, snapshots):
    """A key in a user's request MUST NOT reach the Pod: it has the active key, or none."""
    snapshot = snapstart.ready_snapshot() if snapshots else None
    session = snapstart.session(annotations={SNAPSHOT_KEY: "a-key-of-the-user", "own": "kept"})

    assert session.key == (snapstart.active_key(snapshot) if snapshot else None)
    assert snapstart.pod_as_created(session.name).annotations["own"] == "kept"


@conformance(
    id="SS-M1",
    profile="SNAPSTART",
    level="extended",
    strength="SHOULD",
    features=[*FORK, "SnapshotMetrics"],
    killers=["ss/M61"],
)
def test_sessions_are_counted_by_intent(snapstart):
    """Each session SHOULD add one to the counter of restore intents, with the right result."""
    snapstart.session()
    snapstart.ready_snapshot()
    for _ in range(2):
        snapstart.session()

    assert snapstart.intents() == {"cold_start": 1.0, "restore_intent": 2.0}
    pages = snapstart.deployment.controller.metrics()
    for name in (
        "agentcube_sandbox_snapshot_build_duration_seconds_count",
        "agentcube_sandbox_snapshot_artifacts{",
        "agentcube_sandbox_snapshot_target_node_count{",
        "agentcube_sandbox_snapshot_ready_node_count{",
        "agentcube_snapshot_build_task_total{",
    ):
        assert name in pages, f"the controller does not show {name}"
