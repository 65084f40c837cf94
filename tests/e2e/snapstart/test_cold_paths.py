"""Without a snapshot that can be used a session starts cold, and succeeds."""

from __future__ import annotations

import copy

import pytest

from fixtures.conformance import conformance, provisional

pytestmark = provisional(since="0.1.0", promote_by="2027-02-28")

PRELOADS = "fixtures.system.snapstart.preloads"
STORE = ["SnapshotForkMode", "SnapshotArtifactStoreReadable"]


@conformance(id="SS-S2", profile="SNAPSTART", level="core", features=["SnapshotForkMode"], killers=["ss/M36"])
def test_without_a_ready_artifact_sessions_start_cold(snapstart):
    """Without a snapshot, and while it is not Ready, a session MUST have no key and MUST succeed."""
    before = snapstart.session()
    assert before.key is None
    snapstart.is_cold(before)

    snapstart.template("endless", preload=f"{PRELOADS}.endless")
    snapshot = snapstart.snapshot("endless", "endless")
    snapstart.reaches(snapshot, "Creating")
    meanwhile = snapstart.session("endless")

    assert meanwhile.key is None
    snapstart.is_cold(meanwhile)


@pytest.mark.parametrize("fault", ["down", "slow", "corrupt"])
@conformance(id="SS-S3", profile="SNAPSTART", level="core", features=STORE, killers=["ss/M37"])
def test_a_disturbed_store_costs_only_the_restore(snapstart, fault):
    """While the store is disturbed sessions MUST start cold and succeed; afterwards they MUST be restored."""
    snapshot = snapstart.ready_snapshot()

    with snapstart.deployment.store.disturbed(fault, seconds=5):
        cold = snapstart.session()
    restored = snapstart.session()

    assert cold.key is None
    snapstart.is_cold(cold)
    snapstart.is_restored(restored, snapstart.active_key(snapshot))


def _other_owner(record):
    record["ownerRef"]["uid"] = "00000000-0000-4000-8000-000000000000"


def _each_artifact(field, value):
    def change(record):
        for found in record["artifactSets"].values():
            for artifact in found["artifacts"]:
                artifact[field] = value

    return change


def _other_hash(record):
    for found in record["artifactSets"].values():
        found["snapshotHash"] = "sha256:" + "0" * 64
        for artifact in found["artifacts"]:
            artifact["snapshotHash"] = found["snapshotHash"]


def _other_key(record):
    record["activeSetRef"]["snapshotKey"] = "another-key"


MISMATCHES = {
    "uid": _other_owner,
    "provider": _each_artifact("providerName", "other.ref"),
    "key": _other_key,
    "hash": _other_hash,
}


@pytest.mark.parametrize("field", MISMATCHES)
@conformance(id="SS-S4", profile="SNAPSTART", level="extended", features=STORE, killers=["ss/M38"])
def test_a_record_that_does_not_fit_is_not_used(snapstart, field):
    """Where owner, provider, key or hash of the record do not fit, sessions MUST start cold."""
    snapshot = snapstart.ready_snapshot()
    # It would mend the record before the session is asked for.
    snapstart.deployment.controller.pause()

    def change(record):
        MISMATCHES[field](changed := copy.deepcopy(record))
        return changed

    snapstart.deployment.store.edit(snapshot.uid, change)
    session = snapstart.session()

    assert session.key is None
    snapstart.is_cold(session)
