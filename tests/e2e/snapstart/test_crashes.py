"""Crashes at moments that nobody has chosen, while sessions come and go."""

from __future__ import annotations

from fixtures.conformance import conformance, provisional
from fixtures.system.snapstart.ordeal import ACTS, LATEST_STEP

pytestmark = provisional(since="0.1.0", promote_by="2027-02-28")

#: How often a program is killed, each time beside another act; --draws says otherwise.
KILLS = 4


@conformance(
    id="SS-X9",
    profile="SNAPSTART",
    level="extended",
    features=["SnapshotForkMode", "RuntimeWitness", "SnapshotArtifactStoreReadable"],
    killers=["ss/M6"],
)
def test_sessions_survive_crashes(snapstart, snapstart_ordeal, chance, draws, step):
    """A program that is killed at any moment MUST cost no session more than an answer; none MUST get foreign
    or stale state, and everything MUST converge.
    """
    snapshot = snapstart.ready_snapshot()
    programs = sorted(snapstart.deployment.programs)
    for number in range(draws(KILLS)):
        program, act, after = chance.choice(programs), chance.choice(ACTS), chance.randrange(LATEST_STEP)
        step(f"kill {number}: {program} after {after} steps of {act}")
        with snapstart_ordeal.sessions_meanwhile():
            snapshot = snapstart_ordeal.begin(act, snapshot)
            snapstart_ordeal.crash(program, after=after)
        restored = snapstart.comes_to_restore(snapshot)
        snapstart.is_complete(snapshot, limit="recovery")
        assert restored.execute("6 * 7") == "42"
        snapstart.end(restored)
    snapstart_ordeal.has_hung_nowhere()
