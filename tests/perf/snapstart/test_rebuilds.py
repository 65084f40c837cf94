"""What users notice while a snapshot is made anew."""

from __future__ import annotations

from fixtures.load.snapstart.scenario import SnapstartScenario

#: How sessions start is counted: no latency depends on what else the machine does.
SCENARIO = SnapstartScenario("snapstart-rebuilds", ("numpy",), rounds=1, spares=0, machine=("clock",))


def test_perf_of_rebuilds_is_within_budget(perform_snapstart, settle):
    """A scheduled rebuild MUST let no session start cold; after a change of the template none MUST be stale
    (SS-P6).
    """
    settle(perform_snapstart(SCENARIO).verdict)
