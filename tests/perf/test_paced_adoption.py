"""How long a claim takes to get a warm sandbox when claims come at a steady pace."""

from __future__ import annotations

import pytest

from fixtures.load.replay import STATISTICS, replay, replays, rounds
from fixtures.load.scenario import Scenario
from fixtures.load.schedule import constant

#: What two cores serve without a queue: the median of v0.5.6 hardly varies, and a controller that is twice as
#: slow (--slower 2) still keeps up. At 10/s the sabotage proxy alone takes what is left of them.
SCENARIO = Scenario("paced-adoption", constant(7, 100), pool=100)


@pytest.fixture(scope="module")
def outcome(perform):
    return perform(SCENARIO)


def test_perf_of_paced_claims_is_within_budget(outcome, settle):
    """Claims that come at 7/s to a full pool MUST be Ready within the budgets of the profile, all warm."""
    settle(outcome.verdict)


@replays("paced-adoption")
@pytest.mark.parametrize("statistic", STATISTICS)
def test_perf_claim_ready(benchmark, outcome, settle, statistic):
    """One statistic of the latency, a round per repetition, for pytest-benchmark to keep and compare."""
    replay(benchmark, rounds(outcome.samples(), statistic))
    settle(outcome.verdict)


@replays("samples")
def test_perf_claim_ready_samples(benchmark, outcome, settle):
    """Every sample of the latency, for pytest-benchmark to keep."""
    replay(benchmark, [sample for repetition in outcome.samples() for sample in repetition])
    settle(outcome.verdict)
