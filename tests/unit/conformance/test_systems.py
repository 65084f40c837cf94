"""Which systems a run installs: those that its tests need, no others."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from fixtures.conformance import options
from fixtures.testbed import AGENT_SANDBOX, ROLLOUT, SNAPSTART

ROOT = Path(__file__).parents[3]
BOTH = {AGENT_SANDBOX, ROLLOUT}


@pytest.mark.parametrize(
    ("paths", "profiles", "systems"),
    [
        (["tests/e2e"], (), {*BOTH, SNAPSTART}),
        (["tests/e2e"], ("SNAPSTART",), {SNAPSTART}),
        (["tests/e2e/snapstart"], (), {SNAPSTART}),
        (["tests/e2e"], ("ROLLOUT",), {ROLLOUT}),
        (["tests/e2e"], ("CLAIMS",), {AGENT_SANDBOX}),
        (["tests/e2e/rollout/test_order.py::test_x"], (), {ROLLOUT}),
        (["tests/e2e/claims"], (), {AGENT_SANDBOX}),
        (["tests/perf"], (), {*BOTH, SNAPSTART}),
        (["tests/perf/snapstart"], (), {SNAPSTART}),
        (["tests/perf/rollout"], (), {ROLLOUT}),
        (["tests/e2e/rollout", "tests/perf/rollout"], (), {ROLLOUT}),
        (["tests/perf/test_burst_adoption.py"], (), {AGENT_SANDBOX}),
    ],
)
def test_systems_follow_from_paths_and_profiles(
    paths: list[str], profiles: tuple[str, ...], systems: set[str]
) -> None:
    """Performance tests of rollouts alone MUST NOT start a controller that they do not measure."""
    config: Any = SimpleNamespace(rootpath=ROOT, invocation_params=SimpleNamespace(dir=ROOT), args=paths)
    roster: Any = SimpleNamespace(requirements=())

    assert options._systems(config, roster, frozenset(), profiles) == systems
