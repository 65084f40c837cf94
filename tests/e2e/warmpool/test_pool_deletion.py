"""What a deleted pool takes with it."""

from __future__ import annotations

from fixtures.conformance import conformance
from fixtures.system.agent_sandbox.predicates import is_bound, is_bound_to, is_ready


@conformance(id="AS-W13", profile="WARMPOOL", level="core", needs=["gc"], killers=["as/adopt-edit-owner"])
def test_deleted_pool_takes_its_unclaimed_members(make_pool, make_claim, sandboxes, wait):
    """Deleting a pool MUST remove its unclaimed members with their Pods, and no claimed sandbox."""
    pool = make_pool(replicas=3)
    claim = make_claim(pool)
    claimed = wait.until(claim, is_bound() & is_ready(), limit="claim_bind_warm").sandbox_name
    sandboxes.refilled(pool, 3, without=[claimed])
    members = pool.members()
    # What a pool still owns besides the claim is the claim's only until the pool is put together again.
    assert [o.uid for o in wait.current(sandboxes.named(claimed)).owners] == [claim.uid]

    pool.delete()

    for member in members:
        wait.gone(sandboxes.named(member.name))
        wait.gone(sandboxes.pod(member.name))
    wait.holds(claim, is_bound_to(claimed) & is_ready())
    assert not wait.current(sandboxes.named(claimed)).deleting
