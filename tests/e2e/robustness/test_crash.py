"""A controller that dies in the middle of its work."""

from __future__ import annotations

from fixtures.conformance import conformance, uses
from fixtures.errors import Undecided


@conformance(
    id="AS-I7", profile="CLAIMS", level="core", needs=["sut-restart", "gc"], killers=["as/lost-status"]
)
@uses("sut:exclusive")
def test_crash_in_the_middle_of_a_burst_leaves_no_trace(controller, workload):
    """After a crash in the middle of a burst every claim MUST become Ready, and every invariant hold."""
    workload.prepare()

    workload.burst()
    controller.kill()
    if not workload.pending():
        raise Undecided("all was done when the controller was killed")
    workload.burst()
    controller.start()
    workload.burst()

    workload.settle()
    workload.clear()
