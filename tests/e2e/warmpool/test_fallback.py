"""What a claim takes when no member is Ready, and what becomes of those that it passes over."""

from __future__ import annotations

import pytest

from fixtures.conformance import conformance, uses
from fixtures.nodespread import HOLD_REFILL
from fixtures.system.agent_sandbox import candidates
from fixtures.system.agent_sandbox.predicates import is_bound, is_not_ready

FEATURES = ["SandboxClaimPendingIPGrace"]
NEEDS = ["sut-restart", "pod-status-control"]


@conformance(
    id="AS-Q07",
    profile="WARMPOOL",
    level="extended",
    features=FEATURES,
    needs=NEEDS,
    killers=["as/hide-ips"],
)
@pytest.mark.parametrize(
    "queue",
    [
        pytest.param("p1@n1/not-ready p2@n1/not-ready", id="all-with-addresses"),
        pytest.param("w1@n1/no-address p1@n1/not-ready w2@n1/no-address p2@n1/not-ready", id="some-without"),
    ],
)
def test_member_with_an_address_is_taken_though_it_is_not_ready(make_queue, wait, sandboxes, queue):
    """Without Ready members the first one with an address MUST be adopted, though others have none yet."""
    pool = make_queue(queue)
    claim = pool.claim()

    bound = wait.until(claim, is_bound(), limit="immediately")

    assert pool.label(claim, bound.sandbox_name) == "p1"
    wait.until(claim, is_not_ready("DependenciesNotReady"), limit="immediately")
    # It took the member as it was: no wait for it to become Ready.
    assert [s.name for s in sandboxes.owned_by(claim)] == [bound.sandbox_name]


@conformance(
    id="AS-Q08",
    profile="WARMPOOL",
    level="extended",
    strength="SHOULD",
    features=[*FEATURES, "SandboxWarmPoolReplenishDelay"],
    needs=NEEDS,
    killers=["as/lose-skipped", "as/reorder-skipped"],
)
@uses("sut:exclusive")
def test_skipped_members_go_to_the_tail(controller, make_queue):
    """Members that a claim passes over SHOULD go to the tail as they were popped, the fallback last."""
    controller.start(HOLD_REFILL)
    pool = make_queue("u1@n1/not-ready u2@n1/not-ready p1@n1/no-address r1@n1")

    # The first claim leaves u2 p1 u1 behind.
    assert pool.claim_one_by_one(3, apart_from=candidates.RETURNS) == "r1 u2 u1"
