"""A claim's status keeps up with its sandbox."""

from __future__ import annotations

from fixtures.conformance import conformance
from fixtures.system.agent_sandbox.predicates import has_pod_ips, is_bound, is_ready

CHURN = 60


@conformance(
    id="AS-L08",
    profile="CLAIMS",
    level="extended",
    features=["SandboxClaimAdoptionConflict"],
    killers=["as/wedge-status"],
)
def test_metadata_churn_does_not_wedge_the_status(make_pool, make_claim, sandboxes, wait):
    """A claim whose metadata keeps changing MUST still reach its final status."""
    pool = make_pool(replicas=1)
    claim = make_claim(pool)
    for number in range(CHURN):
        claim.patch({"metadata": {"annotations": {"example.com/beat": str(number)}}})

    bound = wait.until(claim, is_bound() & is_ready(), limit="claim_bind_warm")

    sandbox = wait.current(sandboxes.named(bound.sandbox_name))
    assert sandbox.claim_owner == claim.uid
    assert bound.pod_ips == sandbox.pod_ips != ()


@conformance(
    id="AS-L10",
    profile="CLAIMS",
    level="core",
    needs=["pod-status-control"],
    killers=["as/frozen"],
)
def test_pod_addresses_reach_the_claim(make_pool, make_claim, sandboxes, set_pod_ip, features, wait):
    """status.sandbox.podIPs of a claim MUST follow its sandbox."""
    pool = make_pool(replicas=1)
    claim = make_claim(pool)
    bound = wait.until(claim, is_bound() & is_ready(), limit="claim_bind_warm")
    assert bound.pod_ips == wait.current(sandboxes.named(bound.sandbox_name)).pod_ips != ()

    set_pod_ip(bound.sandbox_name, "10.250.0.7")

    wait.until(sandboxes.named(bound.sandbox_name), has_pod_ips("10.250.0.7"), limit="immediately")
    followed = wait.until(claim, has_pod_ips("10.250.0.7") & is_ready(), limit="immediately")
    if "SandboxClaimObservedGeneration" in features:
        assert followed.condition("Ready").observed_generation == followed.generation
