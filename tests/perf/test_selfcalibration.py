"""Whether the load generator can be trusted on this machine, before anything is said about a controller."""

from __future__ import annotations

from fixtures.load.schedule import burst, constant


def test_perf_generator_is_within_its_gates(calibrated, settle):
    """What the generator reports of a server that knows the truth MUST be that truth, within the gates."""
    settle(calibrated(constant(50, 100), burst(30)))
