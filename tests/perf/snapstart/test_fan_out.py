"""Many sessions at one instant, cold and restored."""

from __future__ import annotations

from fixtures.load.snapstart.scenario import BUSY_MACHINE, SnapstartScenario

SCENARIO = SnapstartScenario("snapstart-fan-out", ("numpy",), spares=2, machine=BUSY_MACHINE, watched=False)


def test_perf_of_many_sessions_at_once_is_within_budget(perform_snapstart, settle):
    """Of 1, 10, 20 and 50 sessions that are asked for at one instant every single one MUST come about, and be
    started as it was to be (SS-P5).
    """
    settle(perform_snapstart(SCENARIO).verdict)
