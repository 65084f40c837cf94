"""Nodes that are cordoned, drained and taken away under claims."""

from __future__ import annotations

from collections import Counter

from fixtures.conformance import conformance, provisional, uses
from fixtures.errors import Undecided
from fixtures.kube.kinds import POD
from fixtures.system.agent_sandbox.predicates import (
    is_bound,
    is_bound_to,
    is_not_ready,
    is_other_than,
    is_ready,
)
from fixtures.system.agent_sandbox.views import Pod

NEEDS = ["real-kubelet", "multi-node"]


@provisional(since="0.2.0", promote_by="2027-03-31")
@conformance(
    id="AS-K06",
    profile="WARMPOOL",
    level="extended",
    features=["SandboxWarmPoolNodeSpread"],
    needs=NEEDS,
    killers=["as/hide-node", "as/fewest-first"],
)
@uses("sut:exclusive")
def test_a_claim_takes_from_the_fullest_node_though_one_is_cordoned(
    make_live_template, make_pool, make_claim, nodes, sandboxes, wait
):
    """A claim MUST take a member of the node that holds most of them, also of one that is cordoned since."""
    few, many = nodes.two()
    with nodes.cordoned(*set(nodes.names) - {few}):
        pool = make_pool(replicas=1, template=make_live_template())
    with nodes.cordoned(*set(nodes.names) - {many}):
        sandboxes.grow(pool, 4)
    spread = Counter(member.node for member in pool.members())
    if spread != {few: 1, many: 3}:
        raise Undecided(f"the members are not where they should be: {dict(spread)}")

    with nodes.cordoned(*nodes.names):
        first = wait.until(make_claim(pool), is_bound(), limit="claim_bind_warm")
        second = wait.until(make_claim(pool), is_bound(), limit="claim_bind_warm")
        # The nodes take no Pods: nothing came in the place of what was taken.
        homes = [wait.current(sandboxes.named(c.sandbox_name)).node for c in (first, second)]

    assert homes == [many, many]


@provisional(since="0.2.0", promote_by="2027-03-31")
@conformance(
    id="AS-K07",
    profile="CLAIMS",
    level="extended",
    needs=NEEDS,
    killers=["as/frozen", "as/no-replacement"],
)
@uses("sut:exclusive")
def test_a_claim_recovers_on_another_node_when_its_own_is_drained(
    make_live_template, make_pool, make_claim, nodes, processes, sandboxes, excused, wait
):
    """A claim whose node is drained MUST keep its sandbox and get it back, with a new process, elsewhere."""
    nodes.two()
    pool = make_pool(replicas=1, template=make_live_template())
    [member] = pool.members()
    claim = make_claim(pool)
    bound = wait.until(claim, is_bound_to(member.name) & is_ready(), limit="claim_bind_warm")
    pod = wait.current(sandboxes.pod(member.name))
    before = processes.identity(member.name)
    excused.pods.add(pod.uid)

    with nodes.cordoned(pod.node):
        nodes.evict(pod)
        lost = wait.until(claim.after(bound), ~is_ready(), limit="object_gone")
        wait.until(claim.after(lost), is_bound_to(member.name) & is_ready(), limit="claim_bind_cold")
        moved = wait.any(POD, Pod, is_other_than(pod), limit="immediately")

    after = processes.identity(member.name)
    assert moved.name == pod.name
    assert after.node not in ("", before.node)
    assert after.boot_id != before.boot_id


@provisional(since="0.2.0", promote_by="2027-03-31")
@conformance(
    id="AS-K08",
    profile="CLAIMS",
    level="extended",
    needs=[*NEEDS, "node-outage"],
    killers=["as/frozen"],
)
@uses("sut:exclusive")
def test_a_claim_follows_the_outage_of_its_node(
    make_live_template, make_pool, make_claim, nodes, processes, sandboxes, wait
):
    """A claim whose node is away MUST stop being Ready, and be Ready with the same process afterwards."""
    nodes.two()
    pool = make_pool(replicas=1, template=make_live_template())
    [member] = pool.members()
    claim = make_claim(pool)
    bound = wait.until(claim, is_bound_to(member.name) & is_ready(), limit="claim_bind_warm")
    before = processes.tell(member.name, "kept through the outage")

    with nodes.away(before.node):
        lost = wait.until(claim.after(bound), is_not_ready("DependenciesNotReady"), limit="node_lost")
    wait.until(claim.after(lost), is_bound_to(member.name) & is_ready(), limit="node_lost")

    assert processes.identity(member.name) == before
