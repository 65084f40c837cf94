"""Objects that have the names of a sandbox's children and are not its own."""

from __future__ import annotations

import pytest

from fixtures.conformance import conformance
from fixtures.journal.predicates import exists
from fixtures.kube.kinds import PERSISTENT_VOLUME_CLAIM, POD, SERVICE
from fixtures.system.agent_sandbox.predicates import has_observed, is_not_ready, is_ready, owned_by
from fixtures.system.agent_sandbox.times import in_seconds
from fixtures.system.agent_sandbox.views import ADOPTABLE, NAME_HASH, name_hash

#: What a bystander carries, and whether a sandbox called "sandbox" may take it.
STANDINGS = {
    "unlabelled": ({}, False),
    "other-hash": ({NAME_HASH: name_hash("other")}, False),
    "adoptable": ({ADOPTABLE: "true"}, True),
    "name-hash": ({NAME_HASH: name_hash("sandbox")}, True),
    "owned-elsewhere": ({ADOPTABLE: "true", NAME_HASH: name_hash("sandbox")}, False),
}


@conformance(id="AS-S07", profile="WARMPOOL", level="extended", killers=["as/hide-foreign"])
@pytest.mark.parametrize("standing", STANDINGS)
@pytest.mark.parametrize("kind", [POD, SERVICE, PERSISTENT_VOLUME_CLAIM], ids=str)
def test_sandbox_takes_only_what_it_may(sandboxes, make_template, make_bystander, wait, kind, standing):
    """A sandbox MUST adopt an unowned child only by its label, else report it, and never delete others'."""
    labels, may_take = STANDINGS[standing]
    owner = make_template() if standing == "owned-elsewhere" else None
    name = "data-sandbox" if kind == PERSISTENT_VOLUME_CLAIM else "sandbox"
    child = make_bystander(kind, name, labels, owner)
    fields = {}
    if kind == SERVICE:
        fields = {"service": True}
    if kind == PERSISTENT_VOLUME_CLAIM:
        fields = {"volumeClaimTemplates": [{"metadata": {"name": "data"}, "spec": child.created.spec}]}

    sandbox = sandboxes.sandbox("sandbox", **fields)

    if may_take:
        wait.until(child, owned_by(sandbox.uid), limit="immediately")
        if kind != PERSISTENT_VOLUME_CLAIM:
            wait.until(sandbox, is_ready(), limit="claim_bind_cold")
        return
    wait.until(sandbox, is_not_ready("ReconcilerError"), limit="immediately")
    left = wait.current(child)
    assert (left.owners, left.labels, left.deleting) == (child.created.owners, child.created.labels, False)
    if owner:
        # Suspension and expiry delete the children, the sandbox's own ones.
        suspended = sandbox.patch({"spec": {"operatingMode": "Suspended"}})
        wait.until(sandbox, has_observed(suspended.generation), limit="immediately")
        sandbox.patch({"spec": {"shutdownTime": in_seconds(0), "shutdownPolicy": "Delete"}})
        wait.gone(sandbox)
        assert not wait.holds(child, exists()).deleting
