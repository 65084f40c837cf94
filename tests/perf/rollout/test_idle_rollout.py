"""How long a rollout takes when nobody asks meanwhile."""

from __future__ import annotations

from fixtures.load.rollouts.scenario import RolloutScenario

#: So long between two passes that the end of a template is about their number, not about what each takes.
SCENARIO = RolloutScenario("idle-rollout", changes=10, requeue=1.0)


def test_perf_of_an_idle_rollout_is_within_budget(perform_rollouts, settle):
    """A new template MUST be Ready, and the old one gone with all that belongs to it, within the budgets."""
    settle(perform_rollouts(SCENARIO).verdict)
