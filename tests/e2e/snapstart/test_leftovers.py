"""What many sessions leave behind: nothing."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from fixtures.conformance import add_evidence, conformance, provisional

pytestmark = provisional(since="0.1.0", promote_by="2027-02-28")

#: Sessions at the same time, and one after the other; --draws says how many of the latter.
AT_ONCE, IN_A_ROW = 50, 15
#: Connections to the API server that a program may keep for later, more than it had before.
KEPT = 32


@conformance(
    id="SS-X8",
    profile="SNAPSTART",
    level="extended",
    features=["SnapshotForkMode", "RuntimeWitness"],
    killers=["ss/process-kept"],
)
def test_many_sessions_leave_nothing(snapstart, draws, request):
    """After many sessions, at once and in a row, no process, socket, file or shared memory MUST be left."""
    snapshot = snapstart.ready_snapshot()
    key = snapstart.active_key(snapshot)
    snapstart.settles("at rest", lambda: "a build is left" if snapstart.entries() else None)
    before, opened = snapstart.deployment.traces(), snapstart.deployment.descriptors()

    together = snapstart.sessions(AT_ONCE, at_once=AT_ONCE)
    for session in together:
        snapstart.is_restored(session, key)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(snapstart.end, together))
    for _ in range(draws(IN_A_ROW)):
        snapstart.end(snapstart.session())

    def left():
        found = {what: now - before[what] for what, now in snapstart.deployment.traces().items()}
        return "; ".join(f"{what}: {sorted(names)[:3]}" for what, names in found.items() if names) or None

    snapstart.settles("as before", left, limit="object_gone")
    afterwards = snapstart.deployment.descriptors()
    counts = {what: len(names) for what, names in snapstart.deployment.traces().items()}
    add_evidence(request.node, "left", {**counts, "descriptors": afterwards, "before": opened})
    assert {name: n for name, n in afterwards.items() if n > opened[name] + KEPT} == {}
