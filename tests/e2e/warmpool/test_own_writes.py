"""How a pool goes on when it cannot see yet what it has written."""

from __future__ import annotations

from datetime import timedelta

from fixtures.conformance import conformance, uses

BATCH = 2
LATENESS = timedelta(seconds=3)


@conformance(
    id="AS-W03",
    profile="WARMPOOL",
    level="extended",
    strength="SHOULD",
    features=["SandboxWarmPoolExpectations"],
    needs=["sut-restart", "api-proxy"],
    killers=["as/over-create"],
)
@uses("sut:exclusive")
def test_pool_creates_in_batches_and_sees_one_before_the_next(controller, sabotage, make_pool):
    """A pool SHOULD create at most a batch, and nothing more until it has seen what it wrote."""
    controller.start(f"--sandbox-warm-pool-max-batch-size={BATCH}")
    sabotage.rule("delay-watches", everywhere=True, plural="sandboxes", seconds=LATENESS.seconds)

    pool = make_pool(replicas=3 * BATCH)

    # By the time between creations: the API server's own, which no slow machine can shorten.
    created = [member.created for member, _ in pool.creations()]
    assert len(created) == 3 * BATCH
    for first in (BATCH, 2 * BATCH):
        assert created[first] >= created[first - 1] + LATENESS
