"""Nobody is ever restored from what is somebody else's, or of another time."""

from __future__ import annotations

import pytest

from fixtures.conformance import conformance, provisional
from fixtures.kube.kinds import SANDBOX, SNAPSHOT

pytestmark = provisional(since="0.1.0", promote_by="2027-02-28")

FORK = ["SnapshotForkMode", "RuntimeWitness"]


@conformance(
    id="SS-K2", profile="SNAPSTART", level="core", strength="SAFETY", features=FORK, killers=["ss/M21-key"]
)
def test_a_snapshot_made_anew_shares_nothing_with_the_old_one(snapstart):
    """Of a snapshot that was deleted and made again no session MUST be restored from the old artifact."""
    old = snapstart.ready_snapshot()
    earlier = snapstart.session()
    old_key = snapstart.active_key(old)
    snapstart.is_restored(earlier, old_key)

    snapstart.api.delete(SNAPSHOT, old.name, snapstart.namespace)
    snapstart.wait.gone(old)
    new = snapstart.ready_snapshot()
    later = snapstart.session()

    assert snapstart.active_key(new) != old_key, "the key of the old snapshot is used again"
    snapstart.is_restored(later, snapstart.active_key(new))
    assert later.witness.boot_id != earlier.witness.boot_id


@conformance(
    id="SS-K2b", profile="SNAPSTART", level="core", strength="SAFETY", features=FORK, killers=["ss/M21-key"]
)
def test_a_lost_store_costs_all_keys(snapstart):
    """After the loss of the store nothing that was built before it MUST be restored."""
    snapshot = snapstart.ready_snapshot()
    key, since = snapstart.active_key(snapshot), snapstart.journal.position()
    snapstart.deployment.controller.kill()
    snapstart.deployment.store.lose()
    between = snapstart.session()
    snapstart.deployment.controller.start()

    snapstart.settles(
        "built anew",
        lambda: None if snapstart.deployment.store.active_key(snapshot.uid) else "there is no active set",
    )
    snapstart.is_complete(snapshot)
    later = snapstart.session()

    assert between.key is None
    snapstart.is_cold(between)
    assert snapstart.active_key(snapshot) != key, "the key from before is used again"
    snapstart.is_restored(later, snapstart.active_key(snapshot))
    assert snapstart.journal.position() > since


@pytest.mark.parametrize(
    ("first", "second"), [("a.b", "a-b"), ("x" * 63 + "-one", "x" * 63 + "-two")], ids=["alike", "long"]
)
@conformance(
    id="SS-K3", profile="SNAPSTART", level="core", strength="SAFETY", features=FORK, killers=["ss/M21-key"]
)
def test_names_that_look_alike_share_nothing(snapstart, first, second):
    """Snapshots whose names are alike once normalised MUST both be built and MUST share nothing."""
    snapstart.template("other", env={"OTHER": "1"})
    one = snapstart.snapshot(first)
    two = snapstart.snapshot(second, "other")
    snapstart.is_complete(one)
    snapstart.is_complete(two)

    assert snapstart.active_key(one) != snapstart.active_key(two), "two snapshots have one key"
    snapstart.is_restored(snapstart.session(), snapstart.active_key(one))
    snapstart.is_restored(snapstart.session("other"), snapstart.active_key(two))


FORGED = {
    "unknown": "no-such-key-fork-g1-r1",
    "long": "k" * 300,
    "path": "../../python-fork-g1-r1",
    "empty-namespace": "/python",
}


@pytest.mark.parametrize("forged", FORGED)
@conformance(
    id="SS-K4", profile="SNAPSTART", level="core", strength="SAFETY", features=FORK, killers=["ss/M15"]
)
def test_a_forged_key_restores_nothing(snapstart, forged):
    """A Pod of a tenant with a key that leads nowhere MUST start cold, or fail; it MUST NOT hang."""
    snapstart.ready_snapshot()

    session = snapstart.tenant("forger", FORGED[forged])

    assert session.key == FORGED[forged]
    snapstart.is_cold(session)


@conformance(
    id="SS-K4b",
    profile="SNAPSTART",
    level="core",
    strength="SAFETY",
    features=FORK,
    killers=["ss/artifacts-kept"],
)
def test_an_expired_key_restores_nothing(snapstart):
    """A Pod with a key whose snapshot is gone MUST NOT be restored from what was built for it."""
    snapshot = snapstart.ready_snapshot()
    key = snapstart.active_key(snapshot)
    snapstart.api.delete(SNAPSHOT, snapshot.name, snapstart.namespace)
    snapstart.wait.gone(snapshot)
    snapstart.settles(
        "without artifacts", lambda: f"there are {len(found)}" if (found := snapstart.artifacts()) else None
    )

    session = snapstart.tenant("late", key)

    snapstart.is_cold(session)


@conformance(
    id="SS-K1",
    profile="SNAPSTART",
    level="core",
    strength="SAFETY",
    features=FORK,
    killers=["ss/M21-node", "ss/M21-driver"],
)
def test_a_key_of_another_namespace_restores_nothing(start_snapstart, other_namespace):
    """A Pod that has the key of a snapshot of another namespace MUST NOT be restored from its artifact."""
    snapstart = start_snapstart(nodes=1, also=[other_namespace])
    snapstart.snapshot_class()
    snapstart.template()
    snapstart.template(namespace=other_namespace)
    snapshot = snapstart.ready_snapshot()
    key = snapstart.active_key(snapshot)
    (boot,) = {found["boot_id"] for found in snapstart.artifacts()}

    stranger = snapstart.tenant("stranger", key, namespace=other_namespace)

    assert stranger.witness.boot_id != boot
    assert not [s for s in snapstart.api.list(SANDBOX, other_namespace) if s.name != "stranger"]
