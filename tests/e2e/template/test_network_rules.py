"""What the NetworkPolicy of a template allows."""

from __future__ import annotations

import pytest

from fixtures.conformance import conformance
from fixtures.journal.predicates import exists, field
from fixtures.kube.kinds import NETWORK_POLICY

ROUTER = {
    "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "agent-sandbox-system"}},
    "podSelector": {"matchLabels": {"app": "sandbox-router"}},
}
PUBLIC = [
    {
        "ipBlock": {
            "cidr": "0.0.0.0/0",
            "except": ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16"],
        }
    },
    {"ipBlock": {"cidr": "::/0", "except": ["fc00::/7", "fe80::/10"]}},
]
DNS = {
    "to": [{"namespaceSelector": {}}],
    "ports": [{"protocol": "UDP", "port": 53}],
}


def rules(policy):
    """What it allows: ingress and egress."""
    return policy.spec.get("ingress", []), policy.spec.get("egress", [])


@conformance(id="AS-N02", profile="WARMPOOL", level="core", killers=["as/rules-lie"])
def test_default_rules_let_in_the_router_and_out_to_the_internet(make_template, sandboxes, wait):
    """Without own rules a template MUST allow ingress from the router and egress to public addresses only."""
    template = make_template()

    policy = wait.until(
        sandboxes.child(NETWORK_POLICY, f"{template.name}-network-policy"), exists(), limit="immediately"
    )

    assert rules(policy) == ([{"from": [ROUTER]}], [{"to": PUBLIC}])


@conformance(id="AS-N03", profile="WARMPOOL", level="core", killers=["as/no-mend", "as/rules-lie"])
@pytest.mark.parametrize(
    ("wish", "expected"),
    [
        pytest.param({"egress": [DNS]}, ([], [DNS]), id="egress-alone"),
        pytest.param(
            {"ingress": [{"from": [{"podSelector": {}}]}], "egress": [DNS]},
            ([{"from": [{"podSelector": {}}]}], [DNS]),
            id="both",
        ),
        pytest.param({}, ([], []), id="nothing"),
    ],
)
def test_own_rules_replace_both_lists(make_template, sandboxes, wait, wish, expected):
    """A template's own rules MUST replace both lists, at once and when edited, so that {} denies all."""
    early = make_template(networkPolicy=wish)
    late = make_template()
    wait.until(sandboxes.child(NETWORK_POLICY, f"{late.name}-network-policy"), exists(), limit="immediately")
    late.patch({"spec": {"networkPolicy": wish}})

    for template in (early, late):
        policy = sandboxes.child(NETWORK_POLICY, f"{template.name}-network-policy")
        found = wait.until(policy, field("ingress and egress", rules, expected), limit="immediately")
        assert sorted(found.spec["policyTypes"]) == ["Egress", "Ingress"]
