"""The order of candidates in pools of any shape."""

from __future__ import annotations

from fixtures.conformance import conformance, uses
from fixtures.nodespread import HOLD_REFILL
from fixtures.system.agent_sandbox import candidates, generated

#: Cases that are tried, with claims one after the other and with claims at the same time.
ONE_BY_ONE, TOGETHER = 14, 6
#: Further cases once one has failed, to find a smaller one.
SHRINKS = 20


@conformance(
    id="AS-Q04c",
    profile="WARMPOOL",
    level="extended",
    features=["SandboxWarmPoolNodeSpread", "SandboxWarmPoolReplenishDelay"],
    needs=["sut-restart", "pod-status-control"],
    killers=["as/hide-node", "as/ready-lie"],
)
@uses("sut:exclusive")
def test_any_pool_is_taken_from_in_order(controller, make_queue, falsify, features):
    """Whatever the members' nodes, readiness and addresses, claims MUST take them in the required order."""

    controller.start(HOLD_REFILL)

    def complain(case):
        pool = make_queue(case.queue, placed=[member.name for member in reversed(case.queue)])
        if case.together:
            complaint = candidates.first_wrong_commit(pool.start, pool.claim_together(case.claims))
        else:
            taken = pool.claim_one_by_one(case.claims)
            right = " ".join(candidates.names(candidates.sequence(pool.start, case.claims)))
            complaint = None if taken == right else f"taken {taken}, right is {right}"
        pool.discard()
        return complaint or ""

    queues = generated.one_by_one(without_address="SandboxClaimPendingIPGrace" in features)
    counterexample = falsify(queues, complain, tries=ONE_BY_ONE, shrinks=SHRINKS)
    assert counterexample is None, str(counterexample)

    counterexample = falsify(generated.together(), complain, tries=TOGETHER, shrinks=SHRINKS)
    assert counterexample is None, str(counterexample)
