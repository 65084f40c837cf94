"""How fast a pool refills, where the operator has slowed it down."""

from __future__ import annotations

from datetime import timedelta

import pytest

from fixtures.conformance import conformance, uses
from fixtures.errors import Undecided
from fixtures.system.agent_sandbox.predicates import is_bound

#: Long enough for a second claim to come before it is over, also on a slow machine.
DELAY = timedelta(seconds=12)


@conformance(
    id="AS-W12",
    profile="WARMPOOL",
    level="extended",
    features=["SandboxWarmPoolReplenishDelay", "SandboxWarmPoolMaxRefillRate"],
    needs=["sut-restart"],
    killers=["as/cfg-off", "as/over-create"],
)
@uses("sut:exclusive")
@pytest.mark.parametrize("case", ["delay", "rate"])
def test_refill_keeps_its_pace(controller, make_pool, make_claim, sandboxes, wait, case):
    """Refill MUST wait for its delay after the last loss, and MUST NOT be faster than its rate."""
    # Only lower bounds: those of times that the API server wrote cannot be broken by a slow machine.
    if case == "rate":
        controller.start("--sandbox-warm-pool-max-refill-rate=1")
        pool = make_pool(replicas=4)
        ages = [member.created - pool.created.created for member, _ in pool.creations()]
        assert len(ages) == 4
        assert all(age >= timedelta(seconds=number) for number, age in enumerate(ages)), ages
        return

    controller.start(f"--sandbox-warm-pool-replenish-delay={DELAY.seconds}s")
    pool = make_pool(replicas=3)
    first = make_claim(pool)
    wait.until(first, is_bound(), limit="claim_bind_warm")
    # The API server's times have a grain of a second: the second claim is to be later for certain.
    wait.holds(first, is_bound())
    second = make_claim(pool)
    wait.until(second, is_bound(), limit="claim_bind_warm")
    if second.created.created >= first.created.created + DELAY - timedelta(seconds=1):
        raise Undecided("the second claim came when the delay after the first was nearly over")
    sandboxes.fill(pool, 3)

    initial, refill = pool.creations()[:3], pool.creations()[3:]
    assert [existing for _, existing in initial] == [0, 1, 2]
    # The second loss starts the delay anew, also for the first.
    assert [existing for _, existing in refill] == [1, 2]
    assert min(member.created for member, _ in refill) >= second.created.created + DELAY
