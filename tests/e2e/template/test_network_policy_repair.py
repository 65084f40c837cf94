"""NetworkPolicies that somebody else has changed, deleted or made."""

from __future__ import annotations

import pytest

from fixtures.conformance import conformance
from fixtures.journal.predicates import exists, field
from fixtures.kube.kinds import NETWORK_POLICY
from fixtures.kube.snapshot import Snapshot
from fixtures.system.agent_sandbox.predicates import has_label, is_other_than
from fixtures.system.agent_sandbox.views import TEMPLATE_REF_HASH, name_hash

POLICY = "secured-network-policy"


@conformance(id="AS-N04", profile="WARMPOOL", level="extended", killers=["as/no-mend", "as/no-replacement"])
@pytest.mark.parametrize("case", ["drifted", "deleted", "unmanaged"])
def test_policy_is_repaired_until_it_is_not_wanted(make_template, sandboxes, api, wait, case):
    """A template's policy MUST be restored when edited or deleted, and MUST go when it is Unmanaged."""
    template = make_template("secured")
    made = wait.until(sandboxes.child(NETWORK_POLICY, POLICY), exists(), limit="immediately")

    if case == "drifted":
        open_wide = {"spec": {"ingress": [{}], "podSelector": {"matchLabels": None}}}
        drifted = api.patch(NETWORK_POLICY, POLICY, open_wide, template.namespace)
        assert drifted.spec != made.spec
        spec = field("the policy's spec", lambda s: s.spec, made.spec)
        wait.until(sandboxes.after(NETWORK_POLICY, drifted), spec, limit="immediately")
    elif case == "deleted":
        api.delete(NETWORK_POLICY, POLICY, template.namespace)
        second = wait.any(NETWORK_POLICY, Snapshot, is_other_than(made), limit="immediately")
        assert second.spec == made.spec
        assert [o.uid for o in second.owners] == [template.uid]
    else:
        template.patch({"spec": {"networkPolicyManagement": "Unmanaged"}})
        wait.gone(sandboxes.child(NETWORK_POLICY, POLICY))


@conformance(id="AS-N05", profile="WARMPOOL", level="extended", killers=["as/hide-foreign"])
@pytest.mark.parametrize("management", ["Managed", "Unmanaged"])
def test_policy_of_others_is_left_alone(make_template, make_bystander, sandboxes, wait, management):
    """A policy of a template's name that the template does not own MUST NOT be changed or deleted."""
    template = make_template("secured", networkPolicyManagement="Unmanaged")
    wait.until(template, has_label(TEMPLATE_REF_HASH, name_hash("secured")), limit="immediately")
    others = make_bystander(NETWORK_POLICY, POLICY)

    # Each edit makes the controller look at the policy again.
    edit = {"networkPolicyManagement": management, "networkPolicy": {}}
    template.patch({"spec": edit})
    later = make_template("later")
    wait.until(sandboxes.child(NETWORK_POLICY, f"{later.name}-network-policy"), exists(), limit="immediately")
    left = wait.current(others)

    assert (left.spec, left.owners) == (others.created.spec, ())
    assert left.resource_version == others.created.resource_version
