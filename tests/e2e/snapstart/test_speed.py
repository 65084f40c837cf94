"""What a restore saves, and what sessions without a snapshot pay for it: nothing.

Figures are for tests/perf; what is asked here holds on a busy machine, too.
"""

from __future__ import annotations

from statistics import median

from fixtures.conformance import add_evidence, conformance, provisional

pytestmark = provisional(since="0.1.0", promote_by="2027-02-28")

#: Loads for half a second, which a restore does not do again.
PRELOAD = "fixtures.system.snapstart.preloads.slow"
#: Sessions of each sort, one of each at a time.
PAIRS = 5
#: Seconds that a front may take to find out that there is no snapshot.
LOOKUP = 0.1


@conformance(
    id="SS-P2",
    profile="SNAPSTART",
    level="extended",
    features=["SnapshotForkMode", "RuntimeWitness"],
    killers=["ss/M9", "ss/M59"],
)
def test_restored_sessions_are_there_sooner(snapstart, request):
    """Restored sessions MUST be there sooner than cold ones that load the same."""
    for name in ("cold", "restored"):
        snapstart.template(name, preload=PRELOAD)
    snapshot = snapstart.ready_snapshot("restored", "restored")
    key = snapstart.active_key(snapshot)

    took = {"cold": [], "restored": []}
    for _ in range(PAIRS):
        for name, seconds in took.items():
            attempt = snapstart.attempt(name)
            seconds.append(attempt.ended - attempt.began)
            session = snapstart.known(attempt)
            if name == "restored":
                snapstart.is_restored(session, key)
            else:
                snapstart.is_cold(session)
            snapstart.end(session)

    add_evidence(request.node, "seconds", took)
    assert median(took["restored"]) < median(took["cold"])


@conformance(
    id="SS-P8",
    profile="SNAPSTART",
    level="extended",
    features=["SnapshotForkMode"],
    killers=["ss/M62"],
)
def test_without_a_snapshot_no_session_waits(snapstart, request):
    """Where a template has no snapshot the Sandbox of a session MUST be made without delay."""
    took = {"session": [], "Sandbox": []}
    for number in range(PAIRS):
        took["session"].append(snapstart.made_after(lambda: snapstart.session().name))
        name = f"direct-{number}"
        took["Sandbox"].append(snapstart.made_after(lambda name=name: snapstart.sandbox(name).name))

    add_evidence(request.node, "seconds", took)
    # The quickest of each: what else the machine does delays some, a lookup would delay all.
    assert min(took["session"]) < min(took["Sandbox"]) + LOOKUP
