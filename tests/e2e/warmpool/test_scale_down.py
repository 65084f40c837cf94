"""Which members a shrinking pool gives up."""

from __future__ import annotations

import pytest

from fixtures.conformance import conformance
from fixtures.system.agent_sandbox.predicates import has_counted, has_members, is_bound, is_bound_to, is_ready


def newest(members):
    """The members of the last second in which any was created."""
    return [m for m in members if m.created == max(m.created for m in members)]


@conformance(
    id="AS-W05",
    profile="WARMPOOL",
    level="core",
    needs=["pod-status-control"],
    killers=["as/wrong-victim"],
)
@pytest.mark.parametrize("case", ["newest", "not-ready-first", "to-zero"])
def test_shrinking_pool_gives_up_the_right_members(
    make_pool, make_claim, sandboxes, make_pod_unready, wait, case
):
    """A shrinking pool MUST delete members that are not ready, then the newest, and never a claimed one."""
    pool = make_pool(replicas=2)
    # Age has a grain of a second: those that come after this are younger for certain.
    wait.holds(pool, has_members(2))
    sandboxes.grow(pool, 4)
    members = pool.members()

    if case == "newest":
        victims = newest(members)
    elif case == "not-ready-first":
        # The oldest: by age it would be the last to go.
        victims = members[:1]
        # While it grew the pool counted the same: only states from here on say that it has noticed.
        pool.patch({"metadata": {"annotations": {"example.com/touched": "1"}}})
        make_pod_unready(victims[0].name)
        wait.until(pool, has_counted(4, 3), limit="immediately")
    else:
        claim = make_claim(pool)
        bound = wait.until(claim, is_bound() & is_ready(), limit="claim_bind_warm")
        sandboxes.refilled(pool, len(members), without=[bound.sandbox_name])
        members = victims = pool.members()
    sandboxes.shrink(pool, len(members) - len(victims))

    assert {m.name for m in pool.members()} == {m.name for m in members} - {v.name for v in victims}
    if case == "to-zero":
        wait.holds(claim, is_bound_to(bound.sandbox_name) & is_ready())
        assert not wait.current(sandboxes.named(bound.sandbox_name)).deleting
