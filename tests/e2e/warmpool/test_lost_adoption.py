"""A member that changes hands between the two writes of its adoption."""

from __future__ import annotations

import pytest

from fixtures.conformance import conformance, uses
from fixtures.kube.kinds import CLAIM
from fixtures.system.agent_sandbox.predicates import is_assigned, is_bound, is_ready
from fixtures.system.agent_sandbox.views import Claim


def assignments(wait, claim):
    """The assignments that the claim has borne, in order, repetitions left out."""
    states = sorted(
        (e.object for e in wait.history().of(CLAIM, uid=claim.uid)), key=lambda s: s.resource_version
    )
    found = [""]
    for state in states:
        if Claim(state.raw).assigned != found[-1]:
            found.append(Claim(state.raw).assigned)
    return found


@conformance(
    id="AS-Q16",
    profile="WARMPOOL",
    level="extended",
    features=["SandboxClaimAdoptionConflict"],
    needs=["api-proxy", "sut-restart"],
    killers=["as/no-lock"],
)
@uses("sut:exclusive")
@pytest.mark.parametrize("case", ["touched", "deleted", "owned-by-another"])
def test_assigned_member_is_given_up_only_when_lost(make_pool, make_claim, sandboxes, sabotage, wait, case):
    """An assigned member that is lost before it is handed over MUST be given up for another, else be kept."""
    pool = make_pool(replicas=2)
    hold = sabotage.rule("hold", verb="patch", plural="sandboxes", subresource="")

    claim = make_claim(pool)
    assigned = wait.until(claim, is_assigned(), limit="claim_bind_warm").assigned
    member = sandboxes.handle(wait.current(sandboxes.named(assigned)))
    # What it is kept from writing rests on a state from before this.
    sabotage.wait_for_hit(hold, limit="immediately")
    if case == "touched":
        member.patch({"metadata": {"labels": {"example.com/touched": "1"}}})
    elif case == "deleted":
        member.delete()
        wait.gone(member)
    else:
        thief = pool.template
        member.patch({"metadata": {"ownerReferences": [thief.as_owner()]}})
    sabotage.stop(hold)
    bound = wait.until(claim, is_bound() & is_ready(), limit="claim_bind_cold")

    if case == "touched":
        assert bound.sandbox_name == assigned
        assert assignments(wait, claim) == ["", assigned]
    else:
        assert bound.sandbox_name != assigned
        # Removed before there is another one, never swapped; a cold start needs none.
        other = bound.sandbox_name
        assert assignments(wait, claim) in (["", assigned, "", other], ["", assigned, ""])
    assert [s.name for s in sandboxes.owned_by(claim)] == [bound.sandbox_name]
    if case == "owned-by-another":
        assert [o.uid for o in wait.current(member).owners] == [thief.uid]
