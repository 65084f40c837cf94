"""A controller that loses the API server, or its watches of it, in the middle of its work."""

from __future__ import annotations

import pytest

from fixtures.conformance import conformance, uses


@conformance(
    id="AS-I8",
    profile="CLAIMS",
    level="core",
    needs=["sut-restart", "api-proxy", "api-server-restart", "gc"],
    killers=["as/lost-status"],
)
@pytest.mark.parametrize("loss", ["api-server", "watches", "resumption"])
@uses("sut:exclusive")
def test_lost_connections_leave_no_trace(workload, faults, api_server, loss):
    """After the API server or the watches were lost every claim MUST become Ready, every invariant hold."""
    lose = {
        "api-server": api_server.restart,
        "watches": faults.close_watches,
        "resumption": faults.expire_watches,
    }
    workload.prepare()

    for _ in range(3):
        workload.burst()
        lose[loss]()
    workload.burst()

    workload.settle()
    workload.clear()
    if loss != "api-server":
        faults.stop()
