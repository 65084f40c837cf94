"""How fast a pool replaces what was taken from it, and whether it makes too much."""

from __future__ import annotations

from fixtures.load.scenario import Scenario
from fixtures.load.schedule import constant

SCENARIO = Scenario("replenishment", constant(5, 20), pool=30, repetitions=3, refill=True, until_full=True)


def test_perf_of_replenishment_is_within_budget(perform, settle):
    """A pool of 30 that loses 20 MUST be full again within the budget, and never above its size."""
    settle(perform(SCENARIO).verdict)
