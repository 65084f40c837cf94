"""Containers that do not start, and containers that crash under a claim."""

from __future__ import annotations

from fixtures.conformance import conformance, provisional
from fixtures.kube.kinds import CLAIM
from fixtures.system.agent_sandbox.predicates import is_bound_to, is_not_ready, is_other_than, is_ready

#: No registry has it, and no node.
NO_IMAGE = "conformance.invalid/no-such-image:1"


@provisional(since="0.2.0", promote_by="2027-03-31")
@conformance(
    id="AS-K04",
    profile="CLAIMS",
    level="extended",
    needs=["real-kubelet"],
    killers=["as/optimist", "as/ready-early"],
)
def test_a_claim_is_not_ready_while_its_image_cannot_be_had(
    make_live_template, make_pool, make_claim, processes, sandboxes, wait
):
    """A claim whose image cannot be had MUST NOT be Ready; one made when it can be had MUST be."""
    template = make_live_template(image=NO_IMAGE, imagePullPolicy="Never")
    pool = make_pool(replicas=0, template=template)

    failing = make_claim(pool)
    wait.until(failing, is_not_ready("DependenciesNotReady"), limit="claim_bind_cold")
    wait.holds(failing, ~is_ready())
    [mine] = sandboxes.owned_by(failing)
    [container] = wait.current(sandboxes.pod(mine.name)).status["containerStatuses"]
    assert container["state"]["waiting"]["reason"] == "ErrImageNeverPull"

    right = make_live_template("right")
    template.replace(
        "/spec/podTemplate/spec/containers", right.created.spec["podTemplate"]["spec"]["containers"]
    )
    served = wait.until(make_claim(pool), is_ready(), limit="claim_bind_cold")

    assert processes.identity(served.sandbox_name).hostname == served.sandbox_name
    assert not any(is_ready()(e.object) for e in wait.history().of(CLAIM, uid=failing.uid))


@provisional(since="0.2.0", promote_by="2027-03-31")
@conformance(
    id="AS-K05",
    profile="CLAIMS",
    level="extended",
    needs=["real-kubelet"],
    killers=["as/frozen"],
)
def test_a_claim_follows_a_crash_of_its_process(
    make_live_template, make_pool, make_claim, processes, sandboxes, wait
):
    """A claim whose process crashes MUST stop being Ready, keep its Pod, and be Ready once it serves."""
    pool = make_pool(replicas=1, template=make_live_template())
    [member] = pool.members()
    claim = make_claim(pool)
    bound = wait.until(claim, is_bound_to(member.name) & is_ready(), limit="claim_bind_warm")
    pod = wait.current(sandboxes.pod(member.name))
    before = processes.identity(member.name)

    processes.crash(member.name)
    lost = wait.until(claim.after(bound), is_not_ready("DependenciesNotReady"), limit="claim_bind_warm")
    wait.until(claim.after(lost), is_bound_to(member.name) & is_ready(), limit="claim_bind_cold")

    after = wait.current(sandboxes.pod(member.name))
    assert not is_other_than(pod)(after)
    assert [c["restartCount"] for c in after.status["containerStatuses"]] == [1]
    assert processes.identity(member.name).boot_id != before.boot_id
