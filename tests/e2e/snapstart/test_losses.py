"""Snapshots whose nodes or artifacts are lost, that are deleted, or whose time has come."""

from __future__ import annotations

from datetime import datetime
from itertools import pairwise

from fixtures.conformance import conformance, provisional
from fixtures.journal.predicates import Predicate
from fixtures.kube.kinds import NODE, SNAPSHOT

pytestmark = provisional(since="0.1.0", promote_by="2027-02-28")

FORK = ["SnapshotForkMode"]

#: Seconds after which a set is built anew.
PERIOD = 8


def ready_on(number):
    """The snapshot is Ready on so many nodes."""
    return Predicate(
        f"Ready on {number} nodes",
        lambda s: s.status.get("phase") == "Ready" and s.status.get("readyNodeCount") == number,
    )


@conformance(
    id="SS-I5",
    profile="SNAPSTART",
    level="extended",
    features=[*FORK, "SnapshotScheduledRebuild"],
    killers=["ss/M7"],
)
def test_a_scheduled_rebuild_keeps_the_old_key(snapstart):
    """During a scheduled rebuild the snapshot MUST stay Ready, and sessions MUST have the old key until the
    new one is promoted.
    """
    snapshot = snapstart.ready_snapshot(policy={"rebuildAfter": "6s"})
    first = snapstart.active_key(snapshot)
    since = snapstart.journal.position()
    ready_at = snapstart.state(snapshot).ready_at

    sessions = []
    while not sessions or sessions[-1].key == first:
        sessions.append(snapstart.session())
        assert len(sessions) < 500, "the set was never built anew"

    assert {state.phase for state in snapstart.states(snapshot, since)} <= {"Ready"}
    assert None not in {session.key for session in sessions}
    renewed = snapstart.comes_to(
        snapshot, Predicate("renewed", lambda s: s.status.get("readyAt") != ready_at), since=since
    )
    assert renewed.ready


@conformance(
    id="SS-I5b",
    profile="SNAPSTART",
    level="extended",
    features=[*FORK, "SnapshotScheduledRebuild"],
    killers=["ss/M47"],
)
def test_a_scheduled_rebuild_happens_once_a_period(snapstart):
    """A scheduled rebuild MUST happen once in its period, counted from the last one."""
    snapshot = snapstart.ready_snapshot(policy={"rebuildAfter": f"{PERIOD}s"})
    since = snapstart.journal.position()
    instants = [snapstart.state(snapshot).ready_at]

    for _ in range(2):
        seen = (None, *instants)
        renewed = snapstart.comes_to(
            snapshot,
            Predicate("renewed", lambda s, seen=seen: s.status.get("readyAt") not in seen),
            since=since,
        )
        instants.append(renewed.ready_at)

    # In whole seconds, which takes nothing from a whole number of them between two.
    moments = list(map(datetime.fromisoformat, instants))
    between = [(later - earlier).total_seconds() for earlier, later in pairwise(moments)]
    assert min(between) >= PERIOD, "it was built anew before its period was over"


@conformance(id="SS-I7", profile="SNAPSTART", level="core", features=FORK, killers=["ss/M14", "ss/M49"])
def test_a_deleted_snapshot_is_used_no_more(snapstart):
    """Deleting a snapshot MUST take its record away, also with a node lost; running sessions MUST go on."""
    snapshot = snapstart.ready_snapshot()
    running = snapstart.session()
    snapstart.is_restored(running, snapstart.active_key(snapshot))
    lost = next(name for name in snapstart.deployment.nodes if name != running.node)
    snapstart.deployment.pages[lost].lose_contact()
    snapstart.not_ready(lost)

    snapstart.api.delete(SNAPSHOT, snapshot.name, snapstart.namespace)
    snapstart.wait.gone(snapshot)

    assert snapstart.deployment.store.record_of(snapshot.uid) is None
    afterwards = snapstart.session()
    assert afterwards.key is None
    snapstart.is_cold(afterwards)
    assert running.execute("6 * 7") == "42"


@conformance(
    id="SS-I8",
    profile="SNAPSTART",
    level="extended",
    features=[*FORK, "SnapshotNodeFailureHandling"],
    killers=["ss/M50"],
)
def test_a_lost_node_and_its_return(snapstart):
    """A node that is NotReady MUST count as unavailable while others serve; back again it MUST be Ready."""
    snapshot = snapstart.ready_snapshot()
    lost, left = snapstart.deployment.nodes
    since = snapstart.journal.position()

    snapstart.deployment.pages[lost].lose_contact()
    snapstart.not_ready(lost)
    state = snapstart.comes_to(snapshot, ready_on(1), since=since)
    session = snapstart.session()

    assert state.counts["unavailableNodeCount"] == 1 or state.target_nodes == 1
    assert session.node == left
    snapstart.is_restored(session, snapstart.active_key(snapshot))

    since = snapstart.journal.position()
    snapstart.deployment.pages[lost].regain_contact()
    snapstart.comes_to(snapshot, ready_on(2), since=since)


@conformance(
    id="SS-I8b",
    profile="SNAPSTART",
    level="extended",
    features=[*FORK, "SnapshotNodeFailureHandling", "SnapshotArtifactStoreReadable"],
    killers=["ss/gone-node-kept"],
)
def test_a_removed_node_is_forgotten(snapstart):
    """The record of an artifact MUST be gone with its node."""
    snapshot = snapstart.ready_snapshot()
    removed, left = snapstart.deployment.nodes
    snapstart.deployment.nodes[removed].kill()
    snapstart.api.delete(NODE, removed)

    def missing():
        record = snapstart.deployment.store.record_of(snapshot.uid)
        sets = record["artifactSets"].values()
        nodes = {artifact["nodeName"] for found in sets for artifact in found["artifacts"]}
        return None if nodes == {left} else f"the record names {sorted(nodes)}"

    snapstart.settles("forgotten", missing)
    session = snapstart.session()
    snapstart.is_restored(session, snapstart.active_key(snapshot))


@conformance(
    id="SS-I9",
    profile="SNAPSTART",
    level="extended",
    features=FORK,
    killers=["ss/M51", "ss/inventory-frozen"],
)
def test_a_lost_artifact_is_built_anew(start_snapstart):
    """When the last artifact is gone the set MUST be forgotten, and another one MUST be built."""
    snapstart = start_snapstart(nodes=1)
    snapstart.snapshot_class()
    snapstart.template()
    snapshot = snapstart.ready_snapshot()
    key, since = snapstart.active_key(snapshot), snapstart.journal.position()

    (pages,) = snapstart.deployment.pages.values()
    pages.take_away(snapstart.namespace, key)
    snapstart.comes_to(
        snapshot, Predicate("not Ready", lambda s: s.status.get("phase") != "Ready"), since=since
    )
    snapstart.is_complete(snapshot)

    assert snapstart.active_key(snapshot) != key
    snapstart.is_restored(snapstart.session(), snapstart.active_key(snapshot))
