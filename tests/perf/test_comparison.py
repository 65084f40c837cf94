"""Whether one controller is slower than another: both in turn on one cluster (--compare SPEC --with SPEC)."""

from __future__ import annotations

import pytest

from fixtures.load.scenario import Scenario
from fixtures.load.schedule import constant

SCENARIO = Scenario("comparison", constant(10, 100), pool=100, repetitions=1)


@pytest.mark.comparison
def test_perf_of_the_second_controller_has_not_regressed(compared, settle):
    """Claims on the controller of --with MUST NOT take longer than on that of --compare."""
    settle(compared(SCENARIO).verdict)
