"""Input that cannot be served: a clear failure, or a cold start, within the stated time."""

from __future__ import annotations

from fixtures.conformance import conformance, provisional
from fixtures.journal.predicates import Predicate
from fixtures.kube.kinds import NODE, SNAPSHOT_TASK, TEMPLATE
from fixtures.system.snapstart.building import in_phase
from fixtures.system.snapstart.making import PYTHON
from fixtures.system.snapstart.views import Task

pytestmark = provisional(since="0.1.0", promote_by="2027-02-28")

FORK = ["SnapshotForkMode"]
PRELOADS = "fixtures.system.snapstart.preloads"


@conformance(id="SS-X1", profile="SNAPSTART", level="extended", features=FORK, killers=["ss/M18"])
def test_a_snapshot_without_its_template(snapstart):
    """A snapshot of a template that is not there MUST be Failed with the reason; sessions MUST be refused."""
    snapshot = snapstart.snapshot("lost", "no-such-template")

    state = snapstart.reaches(snapshot, "Failed")
    refused = snapstart.attempt("no-such-template")

    assert "no-such-template" in state.message
    assert refused.status == 404, refused


@conformance(id="SS-X2", profile="SNAPSTART", level="extended", features=FORK, killers=["ss/M18"])
def test_a_template_that_goes(snapstart):
    """When the template of a Ready snapshot is deleted the snapshot MUST become Failed and say why."""
    snapshot = snapstart.ready_snapshot()
    since = snapstart.journal.position()

    snapstart.api.delete(TEMPLATE, PYTHON, snapstart.namespace)
    state = snapstart.comes_to(snapshot, in_phase("Failed"), since=since)

    assert PYTHON in state.message
    assert snapstart.attempt().status == 404


@conformance(id="SS-X3", profile="SNAPSTART", level="extended", features=FORK, killers=["ss/M5"])
def test_a_node_that_vanishes_in_mid_build(start_snapstart):
    """A node that vanishes while it builds MUST cost its own artifact, not the snapshot."""
    snapstart = start_snapstart(options={"controller": ["--task-timeout", "3", "--task-ttl", "0.5"]})
    snapstart.snapshot_class()
    snapstart.template(preload=f"{PRELOADS}.slow")
    gone, left = snapstart.deployment.nodes
    snapshot = snapstart.snapshot()
    snapstart.has_tasks(snapshot, 2)

    snapstart.deployment.nodes[gone].kill()
    state = snapstart.reaches(snapshot, "Ready")

    assert state.counts["readyNodeCount"] == 1
    # The cluster would send sessions to it for minutes.
    snapstart.api.patch(NODE, gone, {"spec": {"unschedulable": True}})
    session = snapstart.session()
    assert session.node == left
    snapstart.is_restored(session, snapstart.active_key(snapshot))


@conformance(
    id="SS-X4",
    profile="SNAPSTART",
    level="core",
    features=[*FORK, "SnapshotArtifactStoreReadable"],
    killers=["ss/unrecorded"],
)
def test_a_full_disk_of_the_store(snapstart):
    """While the store has no room for its record a snapshot MUST NOT be Ready and sessions MUST start cold;
    with room again it MUST become Ready.
    """
    nodes = snapstart.deployment.nodes
    for node in nodes.values():
        node.pause()
    snapshot = snapstart.snapshot()
    snapstart.has_tasks(snapshot, 2)

    with snapstart.deployment.full_disk("controller"):
        for node in nodes.values():
            node.resume()
        snapstart.wait.all(
            "all tasks are Ready",
            lambda _: None if {t.phase for t in snapstart.tasks(snapshot)} == {"Ready"} else "not yet",
            limit="phase_change",
        )
        snapstart.wait.holds(snapshot, Predicate("not Ready", lambda s: s.status.get("phase") != "Ready"))
        cold = snapstart.session()
    snapstart.is_complete(snapshot)
    restored = snapstart.session()

    assert cold.key is None
    snapstart.is_cold(cold)
    snapstart.is_restored(restored, snapstart.active_key(snapshot))


@conformance(id="SS-X5", profile="SNAPSTART", level="core", features=FORK, killers=["ss/room-awaited"])
def test_a_full_disk_of_the_nodes(snapstart):
    """On nodes whose disk is full a session MUST be refused in time with the reason and leave nothing; with
    room again the next one MUST be restored.
    """
    snapshot = snapstart.ready_snapshot()
    snapstart.settles("at rest", lambda: "a build is left" if snapstart.entries() else None)
    files, since = snapstart.deployment.traces()["files"], snapstart.journal.position()

    with snapstart.deployment.full_disk(*snapstart.deployment.nodes):
        refused = snapstart.attempt()
        assert refused.status == 502, refused
    left = snapstart.deployment.traces()["files"] - files
    restored = snapstart.session()

    assert "Failed" in refused.answer["error"]
    assert refused.ended - refused.began < snapstart.wait.limits.seconds("claim_bind_cold")
    assert not left
    assert snapstart.phases(snapshot, since) in ([], ["Ready"])
    snapstart.is_restored(restored, snapstart.active_key(snapshot))


@conformance(id="SS-X6", profile="SNAPSTART", level="core", features=FORK, killers=["ss/unwritten"])
def test_an_artifact_that_finds_no_room(start_snapstart, tmp_path):
    """An artifact that cannot be written entirely MUST fail its task with the reason, and the snapshot with
    it; with room again it MUST become Ready.
    """
    snapstart = start_snapstart(nodes=1, options={"controller": ["--retries", "10"]})
    snapstart.snapshot_class()
    gate = tmp_path / "gate"
    snapstart.template(preload=f"{PRELOADS}.gated", env={"SNAPSTART_GATE": str(gate)})
    (node,) = snapstart.deployment.nodes
    snapshot = snapstart.snapshot()
    snapstart.settles(
        "building", lambda: None if any(e["process"] for e in snapstart.entries()) else "no build runs"
    )

    with snapstart.deployment.full_disk(node):
        gate.touch()
        failed = snapstart.wait.any(
            SNAPSHOT_TASK, Task, Predicate("answered", lambda s: "phase" in s.status), limit="phase_change"
        )
        assert failed.phase == "Failed"
        state = snapstart.reaches(snapshot, "Failed")
        assert snapstart.artifacts() == []
    meanwhile = snapstart.phases(snapshot)
    snapstart.is_complete(snapshot)

    assert failed.status["message"]
    assert state.message
    assert "Ready" not in meanwhile
    snapstart.is_restored(snapstart.session(), snapstart.active_key(snapshot))
