"""A member that is claimed at the moment at which its pool gives it up."""

from __future__ import annotations

from datetime import timedelta

from fixtures.conformance import conformance, provisional, uses
from fixtures.kube.kinds import SANDBOX
from fixtures.system.agent_sandbox.predicates import has_counted, owned_by

LATENESS = timedelta(seconds=2)


@conformance(
    id="AS-I12",
    profile="WARMPOOL",
    level="extended",
    needs=["sut-restart", "api-proxy"],
)
@provisional(since="0.1.0", promote_by="2027-01-31")
@uses("sut:exclusive")
def test_pool_that_shrinks_leaves_claimed_sandboxes_alone(make_pool, make_claim, sabotage, wait, sandboxes):
    """A pool that shrinks MUST NOT delete a sandbox that a claim owns, even if adopted just now."""
    pool = make_pool(replicas=1)
    member = pool.members()[0]
    sabotage.rule("delay-watches", everywhere=True, plural="sandboxes", seconds=LATENESS.total_seconds())

    claim = make_claim(pool)
    wait.until(sandboxes.named(member.name), owned_by(claim.uid), limit="claim_bind_warm")
    pool.patch({"spec": {"replicas": 0}})
    # Counted as it is: the pool has heard of the adoption by then, and of what it did before.
    wait.until(pool, has_counted(0, 0), limit="pool_replenish")

    assert [e.type for e in wait.history().of(SANDBOX, uid=member.uid) if e.deleted] == []
