"""What users notice of a rollout, and what it takes to hand them over."""

from __future__ import annotations

from fixtures.load.rollouts.scenario import RolloutScenario

#: A worker for each session and one to spare, which goldens are built on, too.
SCENARIO = RolloutScenario("rollout-under-load", changes=10, rate=20, sessions=2, workers=3)


def test_perf_of_a_rollout_under_load_is_within_budget(perform_rollouts, settle):
    """While templates change under 20 requests a second, with one spare worker, no request MUST fail, and
    the hand-over MUST be within the budgets.
    """
    settle(perform_rollouts(SCENARIO).verdict)
