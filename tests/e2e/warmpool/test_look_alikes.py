"""Sandboxes that resemble a member without being one that a claim may take."""

from __future__ import annotations

import pytest

from fixtures.conformance import conformance
from fixtures.system.agent_sandbox.predicates import has_label, is_bound, is_ready
from fixtures.system.agent_sandbox.views import POOL_HASH, TEMPLATE_REF_HASH, name_hash

#: What each one lacks: labels that are left out, and who controls it.
LOOK_ALIKES = {
    "no-pool-label": ({POOL_HASH}, "pool"),
    "no-template-label": ({TEMPLATE_REF_HASH}, "pool"),
    "unowned": (set(), None),
    "foreign": (set(), "template"),
    "deleting": (set(), "pool"),
}


@conformance(id="AS-Q01", profile="WARMPOOL", level="core", killers=["as/all-adoptable"])
@pytest.mark.parametrize("case", sorted(LOOK_ALIKES))
def test_only_members_are_adopted(make_pool, make_claim, sandboxes, deletion_held, wait, case):
    """A sandbox that lacks a member's labels or controller, or is being deleted, MUST NOT be adopted."""
    pool = make_pool(replicas=0)
    missing, controller = LOOK_ALIKES[case]
    # The pool goes by the label's value and leaves those of another name alone; claims go by the owner.
    labels = {POOL_HASH: name_hash("another-pool"), TEMPLATE_REF_HASH: name_hash(pool.template.name)}
    owners = [pool.as_owner(controls=controller == "pool")]
    if controller == "template":
        owners.append(pool.template.as_owner())
    complete = {key: value for key, value in labels.items() if key not in missing}
    # The one that is to be deleted is not complete before: it never was a candidate.
    at_first = {} if case == "deleting" else complete
    look_alike = sandboxes.sandbox("look-alike", metadata={"labels": at_first, "ownerReferences": owners})
    wait.until(look_alike, is_ready(), limit="claim_bind_cold")

    with deletion_held(look_alike):
        if case == "deleting":
            look_alike.delete()
            look_alike.patch({"metadata": {"labels": complete}})
            wait.until(look_alike, has_label(POOL_HASH, labels[POOL_HASH]), limit="immediately")
        before = wait.current(look_alike)
        claim = make_claim(pool)
        bound = wait.until(claim, is_bound() & is_ready(), limit="claim_bind_cold")
        after = wait.current(look_alike)

    assert bound.sandbox_name == claim.name
    assert after.owners == before.owners
    assert [s.name for s in sandboxes.owned_by(claim)] == [claim.name]
