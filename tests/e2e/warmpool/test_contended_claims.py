"""Claims that others write to while the controller assigns them a member."""

from __future__ import annotations

import pytest

from fixtures.conformance import conformance, uses
from fixtures.journal.predicates import condition
from fixtures.kube.kinds import CLAIM
from fixtures.system.agent_sandbox.predicates import is_bound, is_not_ready, is_ready

#: Conflicts in a row that one pass endures: the write is tried once, and then up to five times again.
ENDURED = 4
WRITES = 60


@conformance(
    id="AS-Q17",
    profile="WARMPOOL",
    level="extended",
    features=["SandboxClaimAdoptionConflict"],
    needs=["api-proxy", "sut-restart"],
    killers=["as/conflict-storm"],
)
@uses("sut:exclusive")
@pytest.mark.parametrize("case", ["few-conflicts", "many-conflicts", "churn"])
def test_conflicts_on_the_claim_do_not_stop_binding(make_pool, make_claim, sandboxes, sabotage, wait, case):
    """A conflict on a claim's assignment MUST be retried at once and MUST NOT keep the claim from binding."""
    pool = make_pool(replicas=1)
    [member] = pool.members()
    if case != "churn":
        conflicts = ENDURED if case == "few-conflicts" else 5 * ENDURED
        rule = sabotage.rule("refuse", status=409, verb="update", plural="sandboxclaims", times=conflicts)

    claim = make_claim(pool)
    if case == "churn":
        for number in range(WRITES):
            claim.patch({"metadata": {"labels": {"example.com/beat": str(number)}}})
    if case == "few-conflicts":
        # Within one pass: a pass that ends in a conflict says so, in whatever words.
        seen = wait.until(claim, is_bound() | condition("Ready", "False"), limit="claim_bind_warm")
        assert seen.sandbox_name == member.name
        assert sabotage.stop(rule) == ENDURED
    bound = wait.until(claim, is_bound() & is_ready(), limit="claim_bind_cold")

    assert bound.sandbox_name == member.name
    if case == "many-conflicts":
        assert sabotage.stop(rule) == 5 * ENDURED
        gave_up = is_not_ready("AdoptionConflict")
        assert any(gave_up(e.object) for e in wait.history().of(CLAIM, uid=claim.uid))
