"""Builds that fail on some nodes, on all, or have no node at all."""

from __future__ import annotations

import pytest

from fixtures.conformance import conformance, provisional
from fixtures.journal.predicates import Predicate
from fixtures.kube.kinds import NODE, SNAPSHOT_TASK
from fixtures.system.snapstart.views import Task

pytestmark = provisional(since="0.1.0", promote_by="2027-02-28")

FORK = ["SnapshotForkMode"]
PRELOADS = "fixtures.system.snapstart.preloads"
#: A node on which nothing that is started ever serves.
NEVER_SERVES = ["--runtime", "this"]


@pytest.fixture
def one_bad_node(start_snapstart):
    """Two nodes, of which one can start nothing."""
    found = start_snapstart(options={"node-1": NEVER_SERVES})
    found.snapshot_class()
    found.template()
    return found


def bad_node(snapstart):
    """The name of the Node that can start nothing."""
    return list(snapstart.deployment.nodes)[1]


@conformance(id="SS-B2", profile="SNAPSTART", level="core", features=FORK, killers=["ss/M5"])
def test_one_ready_artifact_is_enough(one_bad_node):
    """With one Ready artifact the snapshot MUST be Ready, whatever becomes of other nodes."""
    snapshot = one_bad_node.snapshot()

    state = one_bad_node.reaches(snapshot, "Ready")

    assert state.counts["readyNodeCount"] == 1
    assert state.ready_at
    one_bad_node.tells(snapshot, "SandboxSnapshotReady")


@conformance(
    id="SS-B3",
    profile="SNAPSTART",
    level="extended",
    features=[*FORK, "SnapshotControllerAggregation"],
    killers=["ss/M17"],
)
def test_failed_nodes_are_counted(one_bad_node):
    """A partial failure MUST be told: Ready, with the failed node counted, sums that are right, an Event."""
    since = one_bad_node.journal.position()
    snapshot = one_bad_node.snapshot()

    state = one_bad_node.comes_to(
        snapshot,
        Predicate(
            "Ready with a failed node", lambda s: s.phase == "Ready" and s.counts["failedNodeCount"] > 0
        ),
        since=since,
    )

    assert state.target_nodes == 2
    assert sum(state.counts.values()) == 2
    one_bad_node.tells(snapshot, "SandboxSnapshotDegraded")


@conformance(id="SS-B4", profile="SNAPSTART", level="core", features=FORK, killers=["ss/M29"])
def test_all_builds_fail(snapstart):
    """When the builds of all nodes have failed the snapshot MUST be Failed; sessions MUST start cold."""
    snapstart.template("broken", preload=f"{PRELOADS}.broken")
    snapshot = snapstart.snapshot("broken", "broken")

    state = snapstart.reaches(snapshot, "Failed")

    assert state.counts["readyNodeCount"] == 0
    assert state.message
    snapstart.tells(snapshot, "SandboxSnapshotFailed")
    session = snapstart.session("broken")
    assert session.key is None
    snapstart.is_cold(session)


@conformance(id="SS-B5", profile="SNAPSTART", level="extended", features=FORK, killers=["ss/M30"])
def test_no_node_matches(snapstart):
    """A snapshot without a matching node MUST be Failed; sessions MUST start cold."""
    nowhere = snapstart.snapshot_class(f"{snapstart.namespace}-nowhere", selector={"there": "is-none"})
    snapshot = snapstart.snapshot(snapshot_class=nowhere)

    snapstart.reaches(snapshot, "Failed")

    session = snapstart.session()
    assert session.key is None
    snapstart.is_cold(session)


@conformance(id="SS-B6", profile="SNAPSTART", level="extended", features=FORK, killers=["ss/M31"])
def test_targets_are_the_nodes_that_fit(start_snapstart):
    """Targets MUST be exactly the nodes of the class that are Ready and could take the Pod."""
    snapstart = start_snapstart(
        nodes=3, options={"node-0": ["--label", "zone=a"], "node-1": ["--label", "zone=a"]}
    )
    fits, cordoned, _ = snapstart.deployment.nodes
    snapstart.snapshot_class(selector={**snapstart.deployment.selector, "zone": "a"})
    snapstart.api.patch(NODE, cordoned, {"spec": {"unschedulable": True}})
    snapstart.template()

    snapshot = snapstart.snapshot()
    state = snapstart.is_complete(snapshot)

    assert {task.node for task in snapstart.all_tasks(snapshot)} == {fits}
    assert state.target_nodes == 1


@conformance(
    id="SS-B7",
    profile="SNAPSTART",
    level="extended",
    features=FORK,
    killers=["ss/M32", "ss/ready-unmade"],
)
def test_a_failed_build_is_tried_again(snapstart):
    """A build that fails MUST be tried again, and MUST NOT make the snapshot Ready."""
    snapstart.template("broken", preload=f"{PRELOADS}.broken")
    snapshot = snapstart.snapshot("broken", "broken")

    def retried(_):
        nodes = [task.node for task in snapstart.all_tasks(snapshot)]
        again = [node for node in set(nodes) if nodes.count(node) > 1]
        return None if again else f"tasks were made for {nodes}"

    snapstart.wait.all("a build is tried again", retried, limit="phase_change")
    assert "Ready" not in snapstart.phases(snapshot)


@conformance(
    id="SS-B7b",
    profile="SNAPSTART",
    level="extended",
    features=FORK,
    killers=["ss/M29"],
)
def test_a_sandbox_that_never_runs(start_snapstart):
    """A build whose Sandbox never serves MUST fail within the task's time, with the reason."""
    snapstart = start_snapstart(options={"controller": ["--task-timeout", "3", "--retries", "0"]})
    snapstart.snapshot_class()
    snapstart.template("endless", preload=f"{PRELOADS}.endless")
    snapshot = snapstart.snapshot("endless", "endless")

    state = snapstart.reaches(snapshot, "Failed", limit="phase_change")

    assert state.message
    assert "Ready" not in snapstart.phases(snapshot)


@conformance(
    id="SS-F6",
    profile="SNAPSTART",
    level="core",
    features=FORK,
    killers=["ss/M1"],
)
def test_an_unproven_safe_point_fails_the_task(snapstart):
    """A runtime whose safe point cannot be proven, here for a second thread, MUST NOT be captured."""
    snapstart.template("threads", preload=f"{PRELOADS}.threads")
    snapshot = snapstart.snapshot("threads", "threads")

    failed = snapstart.wait.any(
        SNAPSHOT_TASK, Task, Predicate("answered", lambda s: "phase" in s.status), limit="phase_change"
    )

    assert failed.phase == "Failed"
    assert failed.status["message"]
    snapstart.reaches(snapshot, "Failed")
    assert snapstart.artifacts() == []
