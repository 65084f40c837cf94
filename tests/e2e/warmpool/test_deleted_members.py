"""Members that are deleted while they wait for a claim."""

from __future__ import annotations

import pytest

from fixtures.conformance import conformance, uses
from fixtures.system.agent_sandbox.predicates import is_bound, is_ready


@conformance(
    id="AS-Q11",
    profile="WARMPOOL",
    level="core",
    needs=["sut-restart"],
    killers=["as/all-adoptable"],
)
@pytest.mark.parametrize("case", ["leaving", pytest.param("gone", marks=uses("sut:exclusive"))])
def test_deleted_member_is_skipped(request, make_pool, make_claim, sandboxes, deletion_held, wait, case):
    """A queued member that is being deleted or gone MUST be skipped, and the claim get another sandbox."""
    pool = make_pool(replicas=1)
    [lost] = pool.members()

    if case == "leaving":
        with deletion_held(lost):
            sandboxes.handle(lost).delete()
            claim = make_claim(pool)
            bound = wait.until(claim, is_bound() & is_ready(), limit="claim_bind_cold")
    else:
        controller = request.getfixturevalue("controller")
        # It learns of both at once, in either order: it may take up the claim with the member still queued.
        controller.pause()
        sandboxes.handle(lost).delete()
        wait.gone(sandboxes.handle(lost))
        claim = make_claim(pool)
        controller.resume()
        bound = wait.until(claim, is_bound() & is_ready(), limit="claim_bind_cold")

    assert bound.sandbox_name != lost.name
    found = wait.current(sandboxes.named(bound.sandbox_name))
    assert found.claim_owner == claim.uid
    assert not found.deleting
