"""What the controller says about its own speed."""

from __future__ import annotations

from fixtures.conformance import conformance
from fixtures.system.agent_sandbox.predicates import is_bound, is_measured, is_ready

COUNT = "agent_sandbox_claim_controller_startup_latency_ms_count"


@conformance(
    id="AS-I11",
    profile="CLAIMS",
    level="extended",
    features=["SandboxClaimMeasuredOnce"],
    needs=["sut-restart", "pod-status-control"],
    killers=["as/metric-dup"],
)
def test_each_claim_is_measured_once(
    make_template,
    make_pool,
    make_claim,
    claim_barrier,
    make_pod_unready,
    make_pod_ready,
    metrics,
    namespace,
    features,
    wait,
):
    """The startup latency of a claim MUST be counted once, also if its Pod is not Ready for a while."""
    # Metrics name the template but not its namespace: this one has the name of no other.
    template = make_template(name=f"measured-{namespace}")
    warm, empty = make_pool(replicas=2, template=template), make_pool(replicas=0, template=template)

    claims = [make_claim(pool) for pool in (warm, warm, empty)]
    bound = [wait.until(c, is_bound() & is_ready(), limit="claim_bind_cold") for c in claims]
    # Who measures once notes it on the claim; older versions have nothing to wait for.
    for claim in claims if "SandboxClaimMeasuredOnce" in features else ():
        wait.until(claim, is_measured(), limit="immediately")
    # With each touch only states from then on count for the wait that follows.
    claims[0].patch({"metadata": {"annotations": {"example.com/touched": "1"}}})
    make_pod_unready(bound[0].sandbox_name)
    wait.until(claims[0], ~is_ready(), limit="immediately")
    claims[0].patch({"metadata": {"annotations": {"example.com/touched": "2"}}})
    make_pod_ready(bound[0].sandbox_name)
    wait.until(claims[0], is_ready(), limit="immediately")
    claim_barrier()

    counts = {
        kind: metrics.total(COUNT, sandbox_template=template.name, launch_type=kind)
        for kind in ("warm", "cold")
    }
    assert counts == {"warm": 2, "cold": 1}
