"""Warm pools beside snapshots: a session takes one path, and a free slot is the first."""

from __future__ import annotations

from fixtures.conformance import conformance, provisional
from fixtures.journal.predicates import field
from fixtures.kube.kinds import CLAIM, POD, SANDBOX
from fixtures.system.snapstart.views import Pod

pytestmark = provisional(since="0.1.0", promote_by="2027-02-28")

FORK = ["SnapshotForkMode"]


def filled(snapstart, replicas=1):
    """A pool of the template whose members are all Ready."""
    pool = snapstart.pool(replicas=replicas)
    snapstart.wait.until(pool, full(replicas), limit="pool_fill")
    return pool


def full(replicas):
    """The pool has so many Ready members."""
    return field("readyReplicas", lambda s: s.status.get("readyReplicas"), replicas)


@conformance(id="SS-W1", profile="SNAPSTART", level="core", features=FORK, killers=["ss/M16"])
def test_a_session_takes_one_path(snapstart):
    """A session from a pool MUST NOT get a key or a second start: its instance is older than the request."""
    snapstart.ready_snapshot()
    filled(snapstart)
    members = {e.object.uid for e in snapstart.wait.history().of(POD)}

    session = snapstart.session()

    assert session.pod_uid in members
    assert session.key is None
    assert session.witness.started_ns / 1e9 < snapstart.attempts()[-1].began
    assert not [s for s in snapstart.wait.history().live(SANDBOX) if s.name.startswith("session-")]


@conformance(
    id="SS-W2",
    profile="SNAPSTART",
    level="extended",
    strength="SHOULD",
    features=FORK,
    killers=["ss/M43"],
)
def test_a_free_slot_comes_first(snapstart):
    """A session SHOULD take a free slot of a pool, and be restored only where there is none."""
    snapshot = snapstart.ready_snapshot()
    filled(snapstart)

    first = snapstart.session()

    assert first.key is None
    assert len(snapstart.wait.history().live(CLAIM)) == 1
    assert snapstart.active_key(snapshot)


@conformance(id="SS-W3", profile="SNAPSTART", level="extended", features=FORK, killers=["ss/M44"])
def test_refills_have_no_key(snapstart, features):
    """Without WarmPoolRefillRestore the Pods of a pool MUST NOT have a key."""
    snapstart.ready_snapshot()
    filled(snapstart, replicas=2)
    for _ in range(2):
        snapstart.session()
    snapstart.wait.all(
        "the pool has refilled",
        lambda journal: None if len({e.object.uid for e in journal.history.of(POD)}) > 5 else "not yet",
        limit="phase_change",
    )

    pooled = {Pod(e.object.raw).key for e in snapstart.wait.history().of(POD)}
    assert "WarmPoolRefillRestore" in features or pooled == {None}, f"Pods of the pool have keys {pooled}"


@conformance(id="SS-W4", profile="SNAPSTART", level="core", features=FORK, killers=["ss/M45"])
def test_an_empty_pool_costs_no_session(snapstart):
    """With an empty pool a session MUST succeed all the same."""
    snapshot = snapstart.ready_snapshot()
    snapstart.pool(replicas=0)

    session = snapstart.session()

    snapstart.is_restored(session, snapstart.active_key(snapshot))
