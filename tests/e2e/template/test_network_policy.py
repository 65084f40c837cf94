"""The NetworkPolicy that a template gets."""

from __future__ import annotations

from fixtures.conformance import conformance
from fixtures.journal.predicates import exists
from fixtures.kube.kinds import NETWORK_POLICY
from fixtures.system.agent_sandbox.predicates import has_label
from fixtures.system.agent_sandbox.views import TEMPLATE_REF_HASH, name_hash


@conformance(id="AS-N01", profile="WARMPOOL", level="core", killers=["as/no-child"])
def test_template_gets_a_label_and_a_policy(make_template, sandboxes, make_pool, wait):
    """A template MUST carry the hash of its name and own TEMPLATE-network-policy for Pods with that hash."""
    template = make_template("secured")

    wait.until(template, has_label(TEMPLATE_REF_HASH, name_hash("secured")), limit="immediately")
    policy = wait.until(
        sandboxes.child(NETWORK_POLICY, "secured-network-policy"), exists(), limit="immediately"
    )

    owners = [(o.kind, o.name, o.uid, o.controller) for o in policy.owners]
    assert owners == [("SandboxTemplate", "secured", template.uid, True)]
    assert policy.spec["podSelector"] == {"matchLabels": {TEMPLATE_REF_HASH: name_hash("secured")}}
    assert sorted(policy.spec["policyTypes"]) == ["Egress", "Ingress"]
    # The policy is of no use unless the Pods made from the template carry what it selects.
    [member] = make_pool(replicas=1, template=template).members()
    pod = wait.current(sandboxes.pod(member.name))
    assert pod.labels[TEMPLATE_REF_HASH] == name_hash("secured")
