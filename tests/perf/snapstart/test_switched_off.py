"""What SnapStart costs those who do not use it."""

from __future__ import annotations

from fixtures.load.snapstart.scenario import SnapstartScenario

SCENARIO = SnapstartScenario("snapstart-switched-off", ("numpy",))


def test_perf_without_snapshots_is_within_budget(perform_snapstart, settle):
    """Where a template has no snapshot a session MUST be Ready as soon as a Sandbox that is made past the
    front, but for noise (SS-P8).
    """
    settle(perform_snapstart(SCENARIO).verdict)
