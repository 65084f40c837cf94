"""What a claim does when its sandbox is lost, and when the controller is lost in mid-adoption."""

from __future__ import annotations

import pytest

from fixtures.conformance import conformance, uses
from fixtures.system.agent_sandbox.predicates import (
    is_assigned,
    is_bound,
    is_bound_to,
    is_bound_to_other_than,
    is_ready,
    owned_by,
)
from fixtures.system.agent_sandbox.views import ASSIGNED


@conformance(id="AS-C05", profile="CLAIMS", level="core", killers=["as/hide-loss"])
@pytest.mark.parametrize("launch_type", ["warm", "cold"])
def test_claim_survives_the_loss_of_its_sandbox(make_pool, make_claim, sandboxes, wait, launch_type):
    """A claim whose sandbox was deleted MUST bind again, to a member if there is one, else to a new one."""
    pool = make_pool(replicas=2)
    claim = make_claim(pool)
    lost = wait.until(claim, is_bound() & is_ready(), limit="claim_bind_warm").sandbox_name
    if launch_type == "warm":
        sandboxes.refilled(pool, 2, without=[lost])
        candidates = {m.name for m in pool.members()}
    else:
        sandboxes.drain(pool)
        candidates = {claim.name}

    sandboxes.handle(wait.current(sandboxes.named(lost))).delete()
    bound = wait.until(claim, is_bound_to_other_than(lost) & is_ready(), limit="claim_bind_cold")

    assert bound.sandbox_name in candidates
    assert bound.assigned == (bound.sandbox_name if launch_type == "warm" else "")
    [mine] = sandboxes.owned_by(claim)
    assert (mine.name, mine.launch_type) == (bound.sandbox_name, launch_type)


@conformance(
    id="AS-C06",
    profile="CLAIMS",
    level="core",
    needs=["sut-restart"],
    killers=["as/forget-binding"],
)
@pytest.mark.parametrize(
    "interruption",
    ["assigned-by-test", pytest.param("controller-killed", marks=uses("sut:exclusive"))],
)
def test_committed_assignment_is_completed(request, make_pool, make_claim, sandboxes, wait, interruption):
    """A member that a claim was assigned before the adoption was cut off MUST be the one it adopts."""
    pool = make_pool(replicas=4)
    if interruption == "assigned-by-test":
        assigned = pool.members()[-1].name
        claim = make_claim(pool, annotations={ASSIGNED: assigned})
    else:
        controller = request.getfixturevalue("controller")
        adoptions_refused = request.getfixturevalue("adoptions_refused")
        with adoptions_refused(pool.members()[0]):
            claim = make_claim(pool)
            assigned = wait.until(claim, is_assigned(), limit="claim_bind_warm").assigned
            controller.kill()
        assert wait.current(sandboxes.named(assigned)).pooled
        controller.start()

    bound = wait.until(claim, is_bound() & is_ready(), limit="claim_bind_warm")

    assert bound.sandbox_name == assigned
    wait.until(sandboxes.named(assigned), owned_by(claim.uid), limit="immediately")
    wait.holds(claim, is_bound_to(assigned))
    assert [s.name for s in sandboxes.owned_by(claim)] == [assigned]
