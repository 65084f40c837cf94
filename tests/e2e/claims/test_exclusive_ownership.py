"""Claims that arrive together share nothing."""

from __future__ import annotations

from fixtures.conformance import conformance
from fixtures.system.agent_sandbox.predicates import is_bound, is_ready

CLAIMS = 12


@conformance(id="AS-Q15", profile="CLAIMS", level="core", killers=["as/dup-bind", "as/fake-transfer"])
def test_concurrent_claims_get_distinct_warm_sandboxes(make_pool, sandboxes, wait):
    """Concurrent claims for a pool with enough ready members MUST each get a warm sandbox of their own."""
    pool = make_pool(replicas=CLAIMS)
    members = {m.name for m in pool.members()}

    claims = sandboxes.claims(pool, CLAIMS)
    bound = [wait.until(c, is_bound() & is_ready(), limit="claim_bind_warm") for c in claims]

    names = [b.sandbox_name for b in bound]
    assert len(set(names)) == CLAIMS
    owners = {b.sandbox_name: wait.current(sandboxes.named(b.sandbox_name)) for b in bound}
    assert {name: s.claim_owner for name, s in owners.items()} == {b.sandbox_name: b.uid for b in bound}
    assert {s.launch_type for s in owners.values()} == {"warm"}
    # A refill may serve a late claim, but a claim never starts cold beside ready members.
    assert len(set(names) & members) >= 1
    assert not set(names) & {c.name for c in claims}
