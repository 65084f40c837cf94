"""Pools of the same name in two namespaces."""

from __future__ import annotations

import pytest

from fixtures.conformance import conformance
from fixtures.system.agent_sandbox.predicates import is_bound, is_ready

NAME = "twin"


@conformance(
    id="AS-Q12",
    profile="WARMPOOL",
    level="core",
    features=["SandboxWarmPoolNamespacedQueue"],
    killers=["as/cross-namespace"],
)
@pytest.mark.parametrize("own_stock", [0, 1], ids=["own-pool-empty", "own-pool-stocked"])
def test_same_named_pools_are_separate(make_pool, make_claim, sandboxes, neighbour, wait, own_stock):
    """A claim MUST NOT be served from a pool of the same name in another namespace."""
    template = neighbour.template(name=NAME)
    elsewhere = neighbour.pool(replicas=2, template=template, name=NAME)
    # Later than the other one's: a queue that both shared would have those at its head.
    pool = make_pool(replicas=own_stock, name=NAME)
    members = {m.uid for m in elsewhere.members()}
    own = [m.name for m in pool.members()]

    claim = make_claim(pool)
    bound = wait.until(claim, is_bound() & is_ready(), limit="claim_bind_cold")

    assert [bound.sandbox_name] == (own or [claim.name])
    assert [s.name for s in sandboxes.owned_by(claim)] == [bound.sandbox_name]
    neighbour.wait.current(elsewhere)
    assert {m.uid for m in elsewhere.members()} == members
    # They were there to be had.
    served = neighbour.claim(elsewhere)
    taken = neighbour.wait.until(served, is_bound() & is_ready(), limit="claim_bind_warm")
    assert neighbour.wait.current(neighbour.named(taken.sandbox_name)).uid in members
