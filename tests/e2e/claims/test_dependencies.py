"""Claims whose pool or template comes late, goes away or changes."""

from __future__ import annotations

import pytest

from fixtures.conformance import conformance
from fixtures.system.agent_sandbox.predicates import (
    is_bound,
    is_bound_to,
    is_not_ready,
    is_ready,
)

LATE_POOL = "late-pool"
LATE_TEMPLATE = "late-template"


@conformance(id="AS-T01", profile="CLAIMS", level="core", killers=["as/no-wake-pool"])
def test_late_pool_wakes_its_claims(make_template, make_pool, make_claim, wait):
    """A claim for a missing pool MUST say WarmPoolNotFound and bind promptly once the pool exists."""
    template = make_template()
    claim = make_claim(LATE_POOL)
    wait.until(claim, is_not_ready("WarmPoolNotFound"), limit="immediately")

    make_pool(replicas=0, template=template, name=LATE_POOL)

    wait.until(claim, is_bound(), limit="immediately")
    wait.until(claim, is_ready(), limit="claim_bind_cold")


@conformance(id="AS-T02", profile="CLAIMS", level="core", killers=["as/no-wake-template"])
def test_late_template_lets_its_claims_bind(make_template, sandboxes, make_claim, features, wait):
    """A claim whose template is missing MUST say TemplateNotFound and bind once the template exists."""
    pool = sandboxes.pool_of(LATE_TEMPLATE, replicas=0)
    claim = make_claim(pool)
    wait.until(claim, is_not_ready("TemplateNotFound"), limit="immediately")

    make_template(name=LATE_TEMPLATE)

    watched = "SandboxClaimTemplateWatch" in features
    wait.until(claim, is_bound(), limit="template_late_watched" if watched else "template_late")
    wait.until(claim, is_ready(), limit="claim_bind_cold")


@conformance(id="AS-T03", profile="CLAIMS", level="core", killers=["as/forget-binding"])
@pytest.mark.parametrize("loss", ["pool", "template", "both"])
def test_bound_claim_outlives_pool_and_template(make_pool, make_claim, sandboxes, wait, loss):
    """A bound claim MUST stay Ready, with its sandbox and Pod, when pool or template are deleted."""
    pool = make_pool(replicas=1)
    claim = make_claim(pool)
    bound = wait.until(claim, is_bound() & is_ready(), limit="claim_bind_warm")
    pod = wait.current(sandboxes.pod(bound.sandbox_name))

    for gone in {"pool": [pool], "template": [pool.template], "both": [pool, pool.template]}[loss]:
        gone.delete()
        wait.gone(gone)
    claim.patch({"metadata": {"annotations": {"example.com/touched": "1"}}})

    wait.holds(claim, is_bound_to(bound.sandbox_name) & is_ready())
    assert wait.current(sandboxes.pod(bound.sandbox_name)).uid == pod.uid


@conformance(id="AS-C09", profile="CLAIMS", level="core", killers=["as/pod-kill-edit", "as/forget-binding"])
@pytest.mark.parametrize("edit", ["warm-pool-ref", "template"])
def test_edits_do_not_move_a_bound_claim(make_pool, make_claim, sandboxes, wait, edit):
    """Editing warmPoolRef or the template MUST change neither the binding of a claim nor its Pod."""
    pool = make_pool(replicas=1)
    other = make_pool(replicas=1)
    claim = make_claim(pool)
    bound = wait.until(claim, is_bound() & is_ready(), limit="claim_bind_warm")
    pod = wait.current(sandboxes.pod(bound.sandbox_name))

    if edit == "warm-pool-ref":
        claim.patch({"spec": {"warmPoolRef": {"name": other.name}}})
    else:
        pool.template.replace("/spec/podTemplate/spec/containers/0/image", "registry.k8s.io/pause:3.9")
        claim.patch({"metadata": {"annotations": {"example.com/touched": "1"}}})

    wait.holds(claim, is_bound_to(bound.sandbox_name) & is_ready())
    assert wait.current(sandboxes.pod(bound.sandbox_name)).uid == pod.uid
    assert len(other.members()) == 1
