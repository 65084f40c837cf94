"""A session of a Ready snapshot: restored, and proven to be by what it says of itself."""

from __future__ import annotations

from fixtures.conformance import conformance, provisional
from fixtures.journal.history import EntryType
from fixtures.kube.kinds import POD

pytestmark = provisional(since="0.1.0", promote_by="2027-02-28")


@conformance(
    id="SS-S1",
    profile="SNAPSTART",
    level="core",
    features=["SnapshotForkMode", "RuntimeWitness"],
    killers=["ss/M8"],
)
def test_pod_is_created_with_the_active_key(snapstart):
    """The Pod of a session MUST carry the active key from its creation on; the session MUST be restored."""
    snapshot = snapstart.ready_snapshot()
    key = snapstart.active_key(snapshot)
    session = snapstart.session()

    snapstart.is_restored(session, key)
    first = snapstart.wait.history().of(POD, uid=session.pod_uid)[0]
    # What a list tells of first is no creation.
    assert first.type is EntryType.ADDED
    assert not first.relisted
