"""A controller that sees everything late."""

from __future__ import annotations

from fixtures.conformance import conformance, uses


@conformance(
    id="AS-R03",
    profile="CLAIMS",
    level="extended",
    needs=["sut-restart", "api-proxy", "gc"],
    killers=["as/lost-status"],
)
@uses("sut:exclusive")
def test_late_watches_mislead_nobody(workload, faults):
    """While every watch is seconds late every claim MUST become Ready, and every invariant hold."""
    workload.prepare()
    faults.delay_watches()

    workload.burst()
    workload.burst()

    workload.settle()
    workload.clear()
    faults.stop()
