"""What many sessions leave behind: nothing."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from fixtures.conformance import add_evidence, conformance, provisional

pytestmark = provisional(since="0.1.0", promote_by="2027-02-28")

#: Sessions at the same time, and one after the other; --draws says how many of the latter.
AT_ONCE, IN_A_ROW = 50, 15
#: Descriptors that a program may have more than before: connections to the API server, kept for later.
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
        deployment = snapstart.deployment
        found = {what: now - before[what] for what, now in deployment.traces().items()}
        told = [f"{what}: {sorted(names)[:3]}" for what, names in found.items() if names]
        told += [
            f"the {name} has {now} descriptors, and had {opened[name]}"
            for name, now in deployment.descriptors().items()
            if now > opened[name] + KEPT
        ]
        return "; ".join(told) or None

    snapstart.settles("as before", left, limit="object_gone")
    afterwards = snapstart.deployment.descriptors()
    counts = {what: len(names) for what, names in snapstart.deployment.traces().items()}
    add_evidence(request.node, "left", {**counts, "descriptors": afterwards, "before": opened})
