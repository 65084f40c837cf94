"""A controller that loses the API server, or its watches of it, in the middle of its work."""

from __future__ import annotations

import pytest

from fixtures.conformance import conformance, provisional, uses


@conformance(
    id="AS-I8",
    profile="CLAIMS",
    level="core",
    needs=["sut-restart", "api-proxy", "gc"],
    killers=["as/dup-bind"],
)
@pytest.mark.parametrize("loss", ["watches", "resumption"])
@uses("sut:exclusive")
def test_lost_watches_leave_no_trace(workload, faults, loss):
    """After its watches were lost every claim MUST become Ready, and every invariant hold."""
    lose = {"watches": faults.close_watches, "resumption": faults.expire_watches}[loss]

    disturbed_three_times(workload, lose)

    faults.stop()


# Provisional: now and then a Pod stays behind that nobody takes away (docs/findings.md).
@conformance(
    id="AS-I8b",
    profile="CLAIMS",
    level="extended",
    needs=["sut-restart", "api-server-restart", "gc"],
    killers=["as/dup-bind"],
)
@provisional(since="0.1.0", promote_by="2027-01-31")
@uses("sut:exclusive")
def test_lost_api_server_leaves_no_trace(workload, excused, api_server):
    """After the API server was lost every claim MUST become Ready, and every invariant hold."""
    # As under faults: counted, not judged.
    excused.invariants.add("AS-I3")

    disturbed_three_times(workload, api_server.restart)


def disturbed_three_times(workload, lose):
    """Bursts of work with a loss after each but the last, then rest, then nothing."""
    workload.prepare()
    for _ in range(3):
        workload.burst()
        lose()
    workload.burst()
    workload.settle()
    workload.clear()
