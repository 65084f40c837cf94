"""Whether one controller is slower than another: both in turn on one cluster (--compare SPEC --with SPEC)."""

from __future__ import annotations

import pytest

from fixtures.load.scenario import Scenario
from fixtures.load.schedule import burst, constant

#: A pace at which two cores serve a claim before the next one comes: faster, and P90 is a matter of luck (in
#: six repetitions 72 to 84 ms at 7/s, 75 to 185 ms at 10/s). And all at once, where claims wait for workers,
#: with members to spare: of 60 at once on 60 members, some start cold beside the member they adopt (AS-I2b).
SHAPES = {"paced": ("comparison", constant(7, 60)), "burst": ("comparison-burst", burst(30))}


@pytest.mark.comparison
@pytest.mark.parametrize("shape", SHAPES)
def test_perf_of_the_second_controller_has_not_regressed(compared, settle, shape):
    """Claims on the controller of --with MUST NOT take longer than on that of --compare."""
    name, schedule = SHAPES[shape]
    settle(compared(Scenario(name, schedule, pool=60, repetitions=1)).verdict)
