"""Members whose Pods have no address yet."""

from __future__ import annotations

from datetime import timedelta

import pytest

from fixtures.conformance import conformance
from fixtures.errors import Undecided
from fixtures.journal.predicates import exists
from fixtures.kube.kinds import CLAIM, SANDBOX
from fixtures.system.agent_sandbox.predicates import has_counted, is_bound
from fixtures.system.agent_sandbox.views import Sandbox

#: How long a claim waits for an address, counted from its creationTimestamp.
GRACE = timedelta(seconds=2)

ADDRESS = "10.77.0.1"


@conformance(
    id="AS-Q09",
    profile="WARMPOOL",
    level="extended",
    features=["SandboxClaimPendingIPGrace"],
    needs=["pod-status-control"],
    killers=["as/fake-ips", "as/cold-always", "as/hide-ips"],
)
@pytest.mark.parametrize("case", ["never", "in-time"])
def test_claim_waits_for_an_address_then_starts_cold(
    make_template, make_pool, make_claim, sandboxes, set_pod_ip, wait, case
):
    """A claim whose candidates all lack an address MUST wait two seconds in silence, then start cold."""
    # Nobody serves this scheduler: its Pods stay without node and address.
    template = make_template(podTemplate={"spec": {"schedulerName": "nobody"}})
    pool = make_pool(replicas=1, template=template, filled=False)
    wait.until(pool, has_counted(1, 0), limit="pool_fill")
    [member] = pool.members()
    wait.until(sandboxes.pod(member.name), exists(), limit="immediately")

    claim = make_claim(pool)
    if case == "in-time":
        set_pod_ip(member.name, ADDRESS)
    bound = wait.until(claim, is_bound(), limit="claim_bind_warm")

    history = wait.history()
    states = history.of(SANDBOX)
    if case == "in-time":
        cold = [e.object for e in states if e.object.name == claim.name]
        seen = [e.object for e in states if e.object.uid == member.uid and Sandbox(e.object.raw).pod_ips]
        if cold and (not seen or seen[0].resource_version > cold[0].resource_version):
            raise Undecided("the address came when the claim's wait was over")
        assert bound.sandbox_name == member.name
        return

    assert bound.sandbox_name == claim.name
    cold = wait.current(sandboxes.named(claim.name))
    assert (cold.claim_owner, cold.launch_type) == (claim.uid, "cold")
    # Both times are the API server's, cut to seconds: a slow machine only makes the second one later.
    assert cold.created >= claim.created.created + GRACE
    first = next(e.object for e in states if e.object.uid == cold.uid)
    waiting = [
        e.object
        for e in history.of(CLAIM, uid=claim.uid)
        if e.object.resource_version < first.resource_version
    ]
    assert [s for s in waiting if s.conditions] == []
