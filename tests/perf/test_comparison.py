"""Whether one controller is slower than another: both in turn on one cluster (--compare SPEC --with SPEC)."""

from __future__ import annotations

import pytest

from fixtures.load.scenario import Scenario
from fixtures.load.schedule import burst, constant

#: A pace at which two cores serve each claim before the next one comes; and all at once, where claims wait for
#: workers, conflicts and caches that lag behind.
SHAPES = {"paced": ("comparison", constant(10, 100)), "burst": ("comparison-burst", burst(100))}


@pytest.mark.comparison
@pytest.mark.parametrize("shape", SHAPES)
def test_perf_of_the_second_controller_has_not_regressed(compared, settle, shape):
    """Claims on the controller of --with MUST NOT take longer than on that of --compare."""
    name, schedule = SHAPES[shape]
    settle(compared(Scenario(name, schedule, pool=100, repetitions=1)).verdict)
