"""What a claim takes while some members are not Ready."""

from __future__ import annotations

import pytest

from fixtures.conformance import conformance, uses
from fixtures.nodespread import HOLD_REFILL
from fixtures.system.agent_sandbox import candidates


@conformance(
    id="AS-Q06",
    profile="WARMPOOL",
    level="extended",
    features=["SandboxWarmPoolReplenishDelay"],
    needs=["sut-restart", "pod-status-control"],
    killers=["as/ready-lie", "as/lose-skipped"],
)
@uses("sut:exclusive")
@pytest.mark.parametrize(
    ("queue", "taken"),
    [
        pytest.param("older@n1/not-ready newer@n1", "newer older", id="one-node"),
        pytest.param("a1@n1/not-ready a2@n1 b1@n2", "a2 b1 a1", id="worked-example"),
    ],
)
def test_ready_member_wins_and_the_skipped_one_stays_claimable(controller, make_queue, queue, taken):
    """A Ready member MUST be adopted before an older one that is not, which MUST stay claimable."""
    controller.start(HOLD_REFILL)
    pool = make_queue(queue)

    # Who forgets what was skipped starts the last claim cold.
    assert pool.claim_one_by_one(len(pool.start), apart_from=candidates.SKIPS) == taken
