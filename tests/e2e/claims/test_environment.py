"""Environment variables that a claim asks for."""

from __future__ import annotations

import pytest

from fixtures.conformance import conformance
from fixtures.kube.kinds import SANDBOX
from fixtures.system.agent_sandbox.predicates import (
    is_bound_to,
    is_not_ready,
    owned_by,
)

TEMPLATE_SPEC = {
    "containers": [
        {"name": "agent", "image": "registry.k8s.io/pause:3.10", "env": [{"name": "MODE", "value": "safe"}]},
        {"name": "proxy", "image": "registry.k8s.io/pause:3.10"},
    ],
    "initContainers": [{"name": "setup", "image": "registry.k8s.io/pause:3.10"}],
}

ENV_FROM = {"envFrom": [{"configMapRef": {"name": "settings", "optional": True}}]}
NOWHERE = {"name": "TASK", "value": "7", "containerName": "nobody"}


@pytest.fixture
def template_with(make_template):
    """Factory of templates with two containers and an init container, by injection policy."""
    return lambda policy, **spec: make_template(
        envVarsInjectionPolicy=policy, podTemplate={"spec": TEMPLATE_SPEC | spec}
    )


@conformance(id="AS-E01", profile="CLAIMS", level="extended", killers=["as/strip-spec"])
@pytest.mark.parametrize("wish", ["env", "volume-claim-templates"])
def test_custom_claim_bypasses_a_stocked_pool(make_template, make_pool, make_claim, sandboxes, wait, wish):
    """A claim with env or volume claim templates MUST start cold, also beside ready members."""
    template = make_template(envVarsInjectionPolicy="Allowed", volumeClaimTemplatesPolicy="Allowed")
    pool = make_pool(replicas=1, template=template)
    [member] = pool.members()
    volume = {
        "metadata": {"name": "data"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    }
    custom = {
        "env": {"env": [{"name": "TASK", "value": "7"}]},
        "volume-claim-templates": {"volumeClaimTemplates": [volume]},
    }

    claim = make_claim(pool, **custom[wish])
    wait.until(claim, is_bound_to(claim.name), limit="claim_bind_cold")

    assert wait.current(sandboxes.named(claim.name)).launch_type == "cold"
    assert wait.current(sandboxes.named(member.name)).pooled


@conformance(id="AS-E02", profile="CLAIMS", level="extended", killers=["as/policy-lie"])
@pytest.mark.parametrize("policy", ["Disallowed", None], ids=["disallowed", "default"])
def test_disallowed_env_is_rejected_once(
    make_template, make_pool, make_claim, claim_barrier, wait, sut_log, policy
):
    """Env MUST be rejected, without a sandbox and without a hot loop, where the template disallows it."""
    template = make_template(**({"envVarsInjectionPolicy": policy} if policy else {}))
    pool = make_pool(replicas=0, template=template)
    mark = wait.journal.position()

    claim = make_claim(pool, env=[{"name": "TASK", "value": "7"}])
    wait.until(claim, is_not_ready("EnvVarsInjectionRejected"), limit="immediately")

    wait.holds(claim, is_not_ready("EnvVarsInjectionRejected"))
    wait.never(SANDBOX, owned_by(claim.uid), since=mark, barrier=claim_barrier)
    # One write to initialise the claim and one for its status; a loop would write or log without end.
    assert len(wait.history().of(claim.ref.kind, uid=claim.uid)) <= 6
    assert sut_log.count_lines(claim.name, "Environment variable injection rejected") <= 10


@conformance(id="AS-E03", profile="CLAIMS", level="extended", killers=["as/policy-lie", "as/strip-spec"])
@pytest.mark.parametrize(
    ("policy", "container", "env", "reason"),
    [
        pytest.param("Allowed", {}, {"name": "TASK", "value": "7"}, None, id="appended"),
        pytest.param("Allowed", {}, {"name": "MODE", "value": "wild"}, "ReconcilerError", id="existing-name"),
        pytest.param(
            "Allowed", ENV_FROM, {"name": "TASK", "value": "7"}, "EnvVarsInjectionRejected", id="env-from"
        ),
        pytest.param("Allowed", {}, NOWHERE, "ReconcilerError", id="unknown-container"),
        pytest.param("Overrides", {}, NOWHERE, "ReconcilerError", id="unknown-container-overrides"),
    ],
)
def test_env_is_appended_or_refused(
    template_with,
    make_pool,
    make_claim,
    sandboxes,
    claim_barrier,
    wait,
    policy,
    container,
    env,
    reason,
):
    """Env MUST be appended to the container it names, else the first, and refused where it would clash."""
    containers = [TEMPLATE_SPEC["containers"][0] | container, TEMPLATE_SPEC["containers"][1]]
    pool = make_pool(replicas=0, template=template_with(policy, containers=containers))
    mark = wait.journal.position()
    others = [
        {"name": "UPSTREAM", "value": "u", "containerName": "proxy"},
        {"name": "SEED", "value": "s", "containerName": "setup"},
    ]

    claim = make_claim(pool, env=[env, *others])

    if reason is not None:
        state = wait.until(claim, is_not_ready(reason), limit="immediately")
        assert state.sandbox_name == ""
        wait.never(SANDBOX, owned_by(claim.uid), since=mark, barrier=claim_barrier)
        return
    wait.until(claim, is_bound_to(claim.name), limit="claim_bind_cold")
    sandbox = wait.current(sandboxes.named(claim.name))
    assert sandbox.environment("agent") == {"MODE": "safe", "TASK": "7"}
    assert sandbox.environment("proxy") == {"UPSTREAM": "u"}
    assert sandbox.environment("setup") == {"SEED": "s"}


@conformance(id="AS-E04", profile="CLAIMS", level="extended", killers=["as/strip-spec"])
def test_overrides_replaces_env(template_with, make_pool, make_claim, sandboxes, wait):
    """Under Overrides, env of an existing name MUST replace the template's value."""
    pool = make_pool(replicas=0, template=template_with("Overrides"))

    claim = make_claim(pool, env=[{"name": "MODE", "value": "wild"}, {"name": "TASK", "value": "7"}])
    wait.until(claim, is_bound_to(claim.name), limit="claim_bind_cold")

    sandbox = wait.current(sandboxes.named(claim.name))
    assert sandbox.environment("agent") == {"MODE": "wild", "TASK": "7"}
