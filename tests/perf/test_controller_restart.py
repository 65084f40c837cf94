"""What a crash of the controller costs the claims that come meanwhile."""

from __future__ import annotations

from fixtures.load.scenario import Scenario
from fixtures.load.schedule import constant

SCENARIO = Scenario("controller-restart", constant(5, 75), pool=75, repetitions=1)


def test_perf_across_a_controller_restart_is_within_budget(perform, settle):
    """Claims that come while the controller is killed and started again MUST all be served, warm, in time."""
    settle(perform(SCENARIO, meanwhile=crash).verdict)


def crash(load):
    """Kill the controller when a third of the claims has come, and start it again."""
    load.wait_for(25)
    load.controller.kill()
    load.controller.start(*load.flags)
