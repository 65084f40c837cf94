"""Two controllers that take turns."""

from __future__ import annotations

from fixtures.conformance import conformance, uses
from fixtures.system.agent_sandbox.controller import election
from fixtures.system.agent_sandbox.system import SYSTEM_NAMESPACE


@conformance(
    id="AS-R04",
    profile="CLAIMS",
    level="extended",
    needs=["sut-restart", "gc"],
    killers=["as/two-leaders"],
)
@uses("sut:exclusive")
def test_the_second_controller_takes_over_from_the_first(controller, second_controller, workload):
    """Of two controllers only one MUST act at a time, and the other one finish what it left at its death."""
    turns = election(SYSTEM_NAMESPACE)
    controller.start(*turns)
    # The first one has answered a canary by now: it leads.
    second_controller.start(*turns)
    workload.prepare()

    workload.burst()
    controller.kill()
    workload.burst()

    workload.settle()
    workload.clear()
