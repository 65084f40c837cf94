"""What a rollout costs where the substrate has many actors that have nothing to do with it."""

from __future__ import annotations

from fixtures.load.rollouts.figures import SIZES
from fixtures.load.rollouts.scenario import RolloutScenario

#: Changes for each number of actors.
CHANGES = 3


def test_perf_among_many_actors_is_within_budget(perform_rollouts, settle, perf_options):
    """A rollout MUST stay within the budgets among a thousand actors (--perf-actors: among more), and what it
    costs MUST NOT grow faster than their number.
    """
    sizes = tuple(size for size in SIZES if size <= perf_options.actors)
    settle(perform_rollouts(RolloutScenario("many-actors", CHANGES, actors=sizes)).verdict)
