"""What a pool's members carry, and what the pool says of them."""

from __future__ import annotations

from fixtures.conformance import conformance
from fixtures.system.agent_sandbox.predicates import has_counted, is_handled
from fixtures.system.agent_sandbox.views import (
    CREATED_BY,
    LAUNCH_TYPE,
    POOL_HASH,
    TEMPLATE_HASH,
    TEMPLATE_REF,
    TEMPLATE_REF_HASH,
    name_hash,
)

LATE_TEMPLATE = "late-template"


@conformance(id="AS-W01", profile="WARMPOOL", level="core", killers=["as/count-lie"])
def test_members_carry_their_pool_and_the_pool_counts_them(make_template, sandboxes, features, wait):
    """Members MUST carry their pool's name, owner and labels; the pool's status MUST count real members."""
    pool = sandboxes.pool_of(LATE_TEMPLATE, replicas=3)
    # Without its template the pool has fewer members than it wants: only then do the two counts differ.
    empty = wait.until(pool, is_handled(), limit="immediately")
    assert (empty.replicas, empty.ready_replicas) == (0, 0)

    make_template(name=LATE_TEMPLATE)
    sandboxes.fill(pool, 3)

    members = pool.members()
    for member in members:
        assert member.name.startswith(f"{pool.name}-")
        owners = [(o.kind, o.name, o.uid, o.controller) for o in member.owners]
        assert owners == [("SandboxWarmPool", pool.name, pool.uid, True)]
        assert member.labels[POOL_HASH] == name_hash(pool.name)
        assert member.labels[TEMPLATE_REF_HASH] == name_hash(LATE_TEMPLATE)
        assert member.labels[LAUNCH_TYPE] == "warm"
        assert member.labels[CREATED_BY] == "controller"
        assert member.annotations[TEMPLATE_REF] == LATE_TEMPLATE
    # Made from one template: one hash of it.
    assert len({member.labels[TEMPLATE_HASH] for member in members}) == 1

    sandboxes.shrink(pool, 2)
    counted = wait.until(pool, has_counted(2, 2), limit="immediately")
    assert counted.status["selector"] == f"{POOL_HASH}={name_hash(pool.name)}"
    if "SandboxWarmPoolObservedGeneration" in features:
        assert counted.status["observedGeneration"] == counted.generation == 2
