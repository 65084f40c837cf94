"""Under which NetworkPolicies processes of real Pods run; whether a network enforces them is its matter."""

from __future__ import annotations

from fixtures.conformance import conformance, provisional
from fixtures.journal.predicates import exists
from fixtures.kube.kinds import NETWORK_POLICY
from fixtures.system.agent_sandbox.predicates import is_bound_to, is_ready, lacks_label
from fixtures.system.agent_sandbox.views import POOL_HASH


@provisional(since="0.2.0", promote_by="2027-03-31")
@conformance(
    id="AS-K09",
    profile="WARMPOOL",
    level="extended",
    needs=["real-kubelet"],
    killers=["as/no-child"],
)
def test_a_running_pod_is_under_its_templates_policy_alone(
    make_live_template, make_pool, make_claim, processes, sandboxes, wait
):
    """A running Pod MUST be under its template's policy and no other's, pooled, adopted and cold."""
    template, another = make_live_template(), make_live_template()
    own, others = (
        [wait.until(sandboxes.child(NETWORK_POLICY, name), exists(), limit="immediately").name]
        for name in (f"{template.name}-network-policy", f"{another.name}-network-policy")
    )

    def policies_of(pod):
        """The policies of the namespace that select a Pod whose process serves."""
        assert processes.identity(pod.name).hostname == pod.name
        return [
            policy.name
            for policy in wait.history().live(NETWORK_POLICY)
            if policy.spec["podSelector"]["matchLabels"].items() <= pod.labels.items()
        ]

    pool = make_pool(replicas=1, template=template)
    [member] = pool.members()
    [stranger] = make_pool(replicas=1, template=another).members()
    unstocked = make_pool(replicas=0, template=template)

    pooled = wait.current(sandboxes.pod(member.name))
    assert policies_of(pooled) == own
    assert policies_of(wait.current(sandboxes.pod(stranger.name))) == others

    claim = make_claim(pool)
    wait.until(claim, is_bound_to(member.name) & is_ready(), limit="claim_bind_warm")
    # Adoption takes the pool's label off the Pod: from then on it is what the claim made of it.
    adopted = wait.until(sandboxes.pod(member.name), lacks_label(POOL_HASH), limit="immediately")
    assert policies_of(adopted) == own

    cold = wait.until(make_claim(unstocked), is_ready(), limit="claim_bind_cold")
    assert policies_of(wait.current(sandboxes.pod(cold.sandbox_name))) == own
