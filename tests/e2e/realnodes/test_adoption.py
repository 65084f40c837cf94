"""What an adopted sandbox is on a real node: the process that was there before."""

from __future__ import annotations

from fixtures.conformance import conformance, provisional
from fixtures.system.agent_sandbox.predicates import is_bound_to, is_ready

NEEDS = ["real-kubelet"]


@provisional(since="0.2.0", promote_by="2027-03-31")
@conformance(
    id="AS-K01", profile="CLAIMS", level="extended", needs=NEEDS, killers=["as/cold-always", "as/pod-kill"]
)
def test_an_adopted_sandbox_keeps_its_process(
    make_live_template, make_pool, make_claim, processes, sandboxes, wait
):
    """An adopted sandbox MUST keep the process that ran before, its container and its address."""
    pool = make_pool(replicas=1, template=make_live_template())
    [member] = pool.members()
    before = processes.tell(member.name, "kept in memory")
    pod = wait.current(sandboxes.pod(member.name))

    claim = make_claim(pool)
    wait.until(claim, is_bound_to(member.name) & is_ready(), limit="claim_bind_warm")

    assert processes.identity(member.name) == before
    adopted = wait.current(sandboxes.pod(member.name))
    [was], [now] = pod.status["containerStatuses"], adopted.status["containerStatuses"]
    assert (now["containerID"], now["restartCount"]) == (was["containerID"], 0)
    assert now["state"]["running"] == was["state"]["running"]
    assert adopted.status["podIPs"] == pod.status["podIPs"]


@provisional(since="0.2.0", promote_by="2027-03-31")
@conformance(id="AS-K02", profile="CLAIMS", level="extended", needs=NEEDS, killers=["as/ready-early"])
def test_a_ready_claim_serves_at_once(make_live_template, make_pool, make_claim, processes, wait):
    """The first request and the first command after a claim is Ready MUST be answered, warm or cold."""
    pool = make_pool(replicas=1, template=make_live_template())
    [member] = pool.members()
    unstocked = make_pool(replicas=0, template=pool.template)

    warm = wait.until(make_claim(pool), is_bound_to(member.name) & is_ready(), limit="claim_bind_warm")
    by_command = processes.identity_by_command(warm.sandbox_name)
    assert by_command == processes.identity(warm.sandbox_name)

    # Asked as soon as it is Ready: a claim that is Ready early has nobody who answers.
    cold = wait.until(make_claim(unstocked), is_ready(), limit="claim_bind_cold")
    first = processes.identity(cold.sandbox_name)
    assert first == processes.identity_by_command(cold.sandbox_name)
    assert first.boot_id != by_command.boot_id
