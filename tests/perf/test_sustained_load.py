"""Whether a pool keeps up with sessions that come at random, stay for a while, and go."""

from __future__ import annotations

from fixtures.load.scenario import Scenario
from fixtures.load.schedule import poisson

#: Ten seconds' worth of claims in the pool, as upstream sizes it (test/stress); each stays for two seconds.
SCENARIO = Scenario("sustained-load", poisson(4, 60, seed=1, dwell=2), pool=40, repetitions=1, refill=True)


def test_perf_of_sustained_load_is_within_budget(perform, settle):
    """Sessions at 4/s for a minute MUST all be served warm within the budgets while the pool refills."""
    settle(perform(SCENARIO).verdict)
