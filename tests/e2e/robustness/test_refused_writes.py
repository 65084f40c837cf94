"""A controller whose writes are refused, or whose replies get lost."""

from __future__ import annotations

import pytest

from fixtures.conformance import conformance, uses


@conformance(
    id="AS-R01",
    profile="CLAIMS",
    level="extended",
    needs=["sut-restart", "api-proxy", "gc"],
    killers=["as/give-up"],
)
@pytest.mark.parametrize("status", [409, 429, 500, 503])
@uses("sut:exclusive")
def test_refused_writes_are_made_up_for(workload, faults, status):
    """While a part of all writes is refused every claim MUST become Ready, and every invariant hold."""
    workload.prepare()
    faults.refuse_writes(status)

    workload.burst()
    workload.burst()

    workload.settle()
    workload.clear()
    faults.stop()


@conformance(
    id="AS-R02",
    profile="CLAIMS",
    level="extended",
    needs=["sut-restart", "api-proxy", "gc"],
    killers=["as/dup-bind"],
)
@uses("sut:exclusive")
def test_lost_replies_are_made_up_for(workload, faults):
    """While replies to writes get lost every claim MUST become Ready, every invariant hold."""
    workload.prepare()
    faults.lose_replies()

    workload.burst()
    workload.burst()

    workload.settle()
    workload.clear()
    faults.stop()
