"""How many members a pool may have at once."""

from __future__ import annotations

from fixtures.conformance import conformance
from fixtures.system.agent_sandbox.predicates import has_counted


@conformance(
    id="AS-W02",
    profile="WARMPOOL",
    level="core",
    features=["SandboxWarmPoolExpectations"],
    killers=["as/over-create"],
)
def test_pool_never_outgrows_its_size(make_pool, sandboxes, deletion_held, wait):
    """A pool MUST NOT create a member while its members, the leaving ones included, make up its size."""
    pool = make_pool(replicas=4)
    leaving = pool.members()[0]

    # While it filled the pool counted three, too: only states from here on say that it has noticed.
    pool.patch({"metadata": {"annotations": {"example.com/touched": "1"}}})
    with deletion_held(leaving):
        sandboxes.handle(leaving).delete()
        wait.until(pool, has_counted(3, 3), limit="immediately")
        # One worker serves all pools: when this one is filled, the first one's turn is over.
        make_pool(replicas=1)
    sandboxes.refilled(pool, 4, without=[leaving.name])

    # Each creation with the number of members that existed just before it: the API server's own order.
    assert [existing for _, existing in pool.creations()] == [0, 1, 2, 3, 3]
