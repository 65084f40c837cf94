"""A controller whose cache lags behind its own writes."""

from __future__ import annotations

from datetime import timedelta

from fixtures.conformance import conformance, uses
from fixtures.errors import Undecided
from fixtures.kube.kinds import CLAIM
from fixtures.system.agent_sandbox.predicates import is_bound_to, is_ready

#: By which the controller hears of sandboxes later than of claims.
LATENESS = timedelta(seconds=4)


@uses("sut:exclusive")
@conformance(
    id="AS-C10",
    profile="CLAIMS",
    level="extended",
    strength="SHOULD",
    features=["SandboxClaimCreatePending"],
    needs=["sut-restart", "api-proxy"],
    killers=["as/hide-cold"],
)
def test_cold_start_waits_for_a_lagging_cache(make_pool, make_claim, sandboxes, sabotage, controller, wait):
    """A claim whose sandbox exists but is not in the cache SHOULD wait for it, not fail or start another."""
    pool = make_pool(replicas=0)
    sabotage.rule("delay-watches", everywhere=True, plural="sandboxes", seconds=LATENESS.seconds)

    # Asleep, it cannot make the sandbox itself first; awake, it hears of the claim at once.
    controller.pause()
    mark = wait.journal.position()
    claim = make_claim(pool)
    sandboxes.cold_sandbox_for(claim)
    controller.resume()

    bound = wait.until(claim, is_bound_to(claim.name) & is_ready(), limit="claim_bind_cold")
    assert [s.name for s in sandboxes.owned_by(claim)] == [claim.name]
    assert bound.assigned == ""
    reasons = [
        ready.reason
        for e in wait.history().since(mark)
        if e.kind == CLAIM and e.object.uid == claim.uid and (ready := e.object.condition("Ready"))
    ]
    assert "ReconcilerError" not in reasons
    if "SandboxCreatePending" not in reasons:
        raise Undecided("the controller had read the sandbox before it handled the claim")
