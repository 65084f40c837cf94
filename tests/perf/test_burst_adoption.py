"""What happens when claims come all at once: how long they take, and from which nodes they are served."""

from __future__ import annotations

import pytest

from fixtures.load.replay import replay, replays, rounds
from fixtures.load.scenario import Scenario
from fixtures.load.schedule import burst

#: Half of an evenly placed pool: what is taken, and what stays, can be more or less even.
SCENARIO = Scenario("burst-adoption", burst(30), pool=60, balanced=True)


@pytest.fixture(scope="module")
def outcome(perform):
    return perform(SCENARIO)


def test_perf_of_a_burst_is_within_budget(outcome, settle):
    """30 claims at one instant MUST be Ready within the budgets, and take evenly from all nodes."""
    settle(outcome.verdict)


@replays("burst-adoption")
@pytest.mark.parametrize("statistic", ["p50", "max"])
def test_perf_burst_ready(benchmark, outcome, settle, statistic):
    """One statistic of the latency, a round per repetition, for pytest-benchmark to keep and compare."""
    replay(benchmark, rounds(outcome.samples(), statistic))
    settle(outcome.verdict)
