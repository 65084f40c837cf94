"""What happens when more is claimed than there is: who is served warm, and what the others wait."""

from __future__ import annotations

from fixtures.load.scenario import Scenario
from fixtures.load.schedule import constant

SCENARIO = Scenario("cold-share", constant(5, 40), pool=20, repetitions=3)


def test_perf_beyond_the_pool_is_within_budget(perform, settle):
    """Of 40 claims on a pool of 20 as many as there are members MUST be warm, the others start in time."""
    settle(perform(SCENARIO).verdict)
