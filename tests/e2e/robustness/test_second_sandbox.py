"""A claim whose sandbox its controller has made but not seen yet."""

from __future__ import annotations

from datetime import timedelta

from fixtures.conformance import conformance, provisional, uses
from fixtures.errors import Undecided
from fixtures.kube.kinds import SANDBOX
from fixtures.system.agent_sandbox.predicates import is_ready

LATENESS = timedelta(seconds=2)
#: Longer than a member takes to be seen and made Ready: the claim's own sandbox is seen only after that.
SLOWNESS = timedelta(seconds=4)


@conformance(
    id="AS-I2b",
    profile="CLAIMS",
    level="extended",
    needs=["sut-restart", "api-proxy"],
)
@provisional(since="0.1.0", promote_by="2027-01-31")
@uses("sut:exclusive")
def test_claim_keeps_the_sandbox_that_is_not_seen_yet(make_pool, make_claim, sabotage, sandboxes, wait):
    """A claim with a sandbox that its controller has not seen yet MUST NOT get another one."""
    sabotage.rule("delay-watches", everywhere=True, plural="sandboxes", seconds=LATENESS.total_seconds())
    pool = make_pool(replicas=1, filled=False)
    wait.all(
        "a member was made",
        lambda journal: None if pool.members_in(journal.history) else "none so far",
        limit="immediately",
    )
    member = pool.members()[0]

    # The member is not seen yet, so the claim starts cold.
    sabotage.rule("slow", verb="create", plural="sandboxes", times=1, seconds=SLOWNESS.total_seconds())
    claim = make_claim(pool)
    wait.until(claim, is_ready(), limit="claim_bind_cold")

    own = wait.history().of(SANDBOX, name=claim.name)
    spare = wait.until(sandboxes.named(member.name), is_ready(), limit="immediately")
    if not own or own[0].object.resource_version < spare.resource_version:
        raise Undecided("the claim's own sandbox was not made after the member was Ready")
    assert [s.name for s in sandboxes.owned_by(claim)] == [claim.name]
