"""A claim that finds no member gets a sandbox of its own, and what every new sandbox must look like."""

from __future__ import annotations

import pytest

from fixtures.conformance import conformance
from fixtures.system.agent_sandbox.predicates import is_bound_to, is_ready
from fixtures.system.agent_sandbox.views import (
    CLAIM_UID,
    TEMPLATE_REF,
    TEMPLATE_REF_HASH,
    name_hash,
)

DEFAULT_DNS = {"nameservers": ["8.8.8.8", "1.1.1.1"]}
CUSTOM_RULES = {"ingress": [], "egress": []}


@conformance(id="AS-C02", profile="CLAIMS", level="core", killers=["as/cold-bad-name"])
def test_empty_pool_gives_a_sandbox_named_like_the_claim(make_pool, make_claim, sandboxes, wait):
    """A claim for a pool without members MUST at once get a cold sandbox with exactly its own name."""
    pool = make_pool(replicas=0)

    claim = make_claim(pool)
    wait.until(claim, is_bound_to(claim.name), limit="immediately")
    sandbox = wait.current(sandboxes.named(claim.name))
    ready = wait.until(claim, is_ready(), limit="claim_bind_cold")

    assert sandbox.launch_type == "cold"
    assert sandbox.labels[CLAIM_UID] == claim.uid
    assert sandbox.labels[TEMPLATE_REF_HASH] == name_hash(pool.template.name)
    assert sandbox.annotations[TEMPLATE_REF] == pool.template.name
    assert [o.uid for o in sandbox.owners] == [claim.uid]
    assert sandbox.claim_owner == claim.uid
    # An assignment is a promise about a pool's member; a cold start makes none.
    assert ready.assigned == ""


@conformance(id="AS-C11", profile="CLAIMS", level="extended", killers=["as/cold-bad-defaults"])
@pytest.mark.parametrize(
    ("spec", "token", "dns_policy", "dns_config"),
    [
        pytest.param({}, False, "None", DEFAULT_DNS, id="defaults"),
        pytest.param(
            {"podTemplate": {"spec": {"automountServiceAccountToken": True}}},
            True,
            "None",
            DEFAULT_DNS,
            id="token-set",
        ),
        pytest.param({"networkPolicyManagement": "Unmanaged"}, False, None, None, id="unmanaged"),
        pytest.param({"networkPolicy": CUSTOM_RULES}, False, None, None, id="own-network-policy"),
        pytest.param(
            {"podTemplate": {"spec": {"dnsPolicy": "ClusterFirst"}}},
            False,
            "ClusterFirst",
            None,
            id="own-dns-policy",
        ),
    ],
)
def test_new_sandboxes_have_secure_defaults(
    make_template, make_pool, make_claim, sandboxes, wait, spec, token, dns_policy, dns_config
):
    """Pooled and cold sandboxes MUST have no API token and only public DNS unless the template says so."""
    template = make_template(**spec)
    stocked = make_pool(replicas=1, template=template)
    empty = make_pool(replicas=0, template=template)

    claim = make_claim(empty)
    wait.until(claim, is_bound_to(claim.name), limit="claim_bind_cold")
    cold = wait.current(sandboxes.named(claim.name))
    [pooled] = stocked.members()

    for sandbox in (pooled, cold):
        found = sandbox.pod_spec
        assert found.get("automountServiceAccountToken") is token, sandbox.name
        assert found.get("dnsPolicy") == dns_policy, sandbox.name
        assert found.get("dnsConfig") == dns_config, sandbox.name
