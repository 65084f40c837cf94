"""Members that outlive their pool."""

from __future__ import annotations

import pytest

from fixtures.conformance import conformance
from fixtures.kube.kinds import SANDBOX
from fixtures.system.agent_sandbox.predicates import is_bound, is_not_ready, is_ready, owned_by
from fixtures.system.agent_sandbox.views import TEMPLATE_REF_HASH


@conformance(id="AS-Q14", profile="WARMPOOL", level="extended", killers=["as/hide-delete"])
@pytest.mark.parametrize("case", ["owned", "orphaned", "queued-anew"])
def test_leftovers_of_a_deleted_pool_are_not_adopted(
    make_pool, make_claim, sandboxes, deletions_refused, claim_barrier, features, wait, case
):
    """A claim for a deleted pool MUST report WarmPoolNotFound, though members of it are left."""
    pool = make_pool(replicas=2)
    members = pool.members()

    with deletions_refused(members[0]):
        pool.delete()
        wait.gone(pool)
        if case != "owned":
            # The controller knows that the pool is gone: it forgets no queue and takes in no orphan any more.
            wait.until(make_claim(pool.name), is_not_ready("WarmPoolNotFound"), limit="claim_bind_warm")
        if case == "orphaned":
            for member in members:
                sandboxes.handle(member).patch({"metadata": {"ownerReferences": None}})
        # Controllers of before forget what was queued when the pool went, and do not look for it again.
        if case == "queued-anew" and "SandboxWarmPoolRecreateCheck" in features:
            for member in members:
                leftover = sandboxes.handle(member)
                leftover.patch({"metadata": {"labels": {TEMPLATE_REF_HASH: None}}})
                leftover.patch(
                    {"metadata": {"labels": {TEMPLATE_REF_HASH: member.labels[TEMPLATE_REF_HASH]}}}
                )
            # Sandboxes come over one watch: who has seen this claim's has seen the labels.
            wait.until(make_claim(make_pool(replicas=0)), is_bound() & is_ready(), limit="claim_bind_cold")
        left = [wait.current(sandboxes.named(m.name)) for m in members]
        mark = wait.journal.position()
        claim = make_claim(pool.name)
        seen = wait.until(claim, is_bound() | is_not_ready("WarmPoolNotFound"), limit="claim_bind_warm")
        assert seen.sandbox_name == ""
        wait.never(SANDBOX, owned_by(claim.uid), since=mark, barrier=claim_barrier)

    # There was something to take.
    assert [s.ready and not s.deleting for s in left] == [True, True]
    assert [s.pooled for s in left] == [case != "orphaned"] * 2
