"""What a restore saves: cold and restored sessions in pairs, on the node and up to the user."""

from __future__ import annotations

import pytest

from fixtures.load.replay import replay, replays
from fixtures.load.snapstart.figures import Measured
from fixtures.load.snapstart.scenario import PAIR, PRELOADS, WAYS, SnapstartScenario
from fixtures.load.snapstart.stages import LOCAL, READY

SCENARIO = SnapstartScenario("snapstart-pairs", tuple(PRELOADS))


def test_perf_of_restored_sessions_beside_cold_ones_is_within_budget(perform_snapstart, settle):
    """Restored sessions MUST be as much faster than cold ones as the budgets say, on the node and end to end
    (SS-P1, SS-P2).
    """
    settle(perform_snapstart(SCENARIO).verdict)


@replays("snapstart-pairs")
@pytest.mark.parametrize("span", [LOCAL, READY], ids=lambda span: span.name)
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("preload", PRELOADS)
def test_perf_session_samples(benchmark, perform_snapstart, settle, preload, way, span):
    """Every sample of the pairs, for pytest-benchmark to keep."""
    outcome = perform_snapstart(SCENARIO)
    replay(benchmark, Measured(outcome.run).samples(span, PAIR, preload, way))
    settle(outcome.verdict)
