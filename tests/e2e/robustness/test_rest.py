"""A controller that has nothing to do."""

from __future__ import annotations

from fixtures.conformance import conformance, uses
from fixtures.journal.predicates import exists


@conformance(
    id="AS-I10",
    profile="WARMPOOL",
    level="extended",
    needs=["sut-restart", "api-proxy"],
    killers=["as/touch-storm"],
)
@uses("sut:exclusive")
def test_controller_at_rest_writes_nothing(workload, sabotage, journal, wait):
    """A controller with nothing to do MUST NOT write anything but its Lease."""
    workload.prepare()
    workload.burst()
    workload.settle()
    # What it still had to note about the burst is written by then.
    wait.holds(workload.pool, exists(), window="stays_true")
    began = journal.position()

    # Longer than its longest patience with something that it waits for (30 s); the contract says 60 s.
    noted = sabotage.rule("note-writes", everywhere=True)
    wait.holds(workload.pool, exists(), window="at_rest")
    sabotage.stop(noted)

    hits = wait.history().hits(began)
    assert [h.object.raw["message"] for h in hits if h.object.name == "note-writes"] == []
