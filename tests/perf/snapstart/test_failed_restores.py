"""What a restore that fails costs a session."""

from __future__ import annotations

from fixtures.load.snapstart.scenario import SnapstartScenario

#: A limit that is longer than a busy restore takes, and short enough to wait for it often.
SCENARIO = SnapstartScenario("snapstart-failed-restores", ("numpy",), rounds=15, restore_limit=1.0)


def test_perf_of_failed_restores_is_within_budget(perform_snapstart, settle):
    """A session whose restore hangs MUST start cold, later than a cold one by at most the limit of a restore
    and a tenth of it (SS-P4).
    """
    settle(perform_snapstart(SCENARIO).verdict)
