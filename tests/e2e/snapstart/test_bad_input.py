"""Input that cannot be served: a clear failure, or a cold start, within the stated time."""

from __future__ import annotations

from fixtures.conformance import conformance, provisional
from fixtures.kube.kinds import NODE, TEMPLATE
from fixtures.system.snapstart.building import in_phase
from fixtures.system.snapstart.making import PYTHON

pytestmark = provisional(since="0.1.0", promote_by="2027-02-28")

FORK = ["SnapshotForkMode"]


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
    snapstart.template(preload="fixtures.system.snapstart.preloads.slow")
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
