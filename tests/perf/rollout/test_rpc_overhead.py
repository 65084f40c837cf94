"""What the substrate adds to the time that restoring and saving an actor takes."""

from __future__ import annotations

from fixtures.load.rollouts.scenario import RolloutScenario

#: The times that the contract's own figures were measured with; a rate at which calls do not queue.
SCENARIO = RolloutScenario(
    "rpc-overhead", changes=3, rate=5, sessions=5, workers=7, restore=0.02, checkpoint=0.03
)


def test_perf_of_resume_and_suspend_is_within_budget(perform_rollouts, settle):
    """Resume and suspend MUST take hardly longer than what they stand for."""
    settle(perform_rollouts(SCENARIO).verdict)
