"""How long a user waits on real nodes: from a claim to Ready, to the first byte, to the first command."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from typing import Any

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from fixtures.clustertestbed import ClusterTestbed
from fixtures.journal import Wait
from fixtures.realnodes import Identity, Processes
from fixtures.system.agent_sandbox.handles import ClaimHandle, PoolHandle, Sandboxes
from fixtures.system.agent_sandbox.predicates import is_ready

ROUNDS = 20
#: Members that a pool has before each claim, so that it never waits for one.
STOCK = 2


@pytest.fixture(autouse=True)
def real_nodes(testbed: ClusterTestbed) -> None:
    """Nobody answers on fake nodes."""
    if "real-kubelet" not in testbed.capabilities:
        pytest.skip("it takes real nodes: --cluster kind")


@pytest.mark.parametrize("launch", ["warm", "cold"])
@pytest.mark.parametrize("until", ["ready", "first-byte", "first-command"])
def test_time_to_first_instruction(
    benchmark: BenchmarkFixture,
    make_live_template: Callable[..., Any],
    make_pool: Callable[..., PoolHandle],
    make_claim: Callable[..., ClaimHandle],
    sandboxes: Sandboxes,
    processes: Processes,
    wait: Wait,
    launch: str,
    until: str,
) -> None:
    """The first command is `kubectl exec`: the time in which kubectl starts is in it."""
    stock = STOCK if launch == "warm" else 0
    pool = make_pool(replicas=stock, template=make_live_template())
    ask: dict[str, Callable[[str], Identity]] = {
        "first-byte": processes.identity,
        "first-command": processes.identity_by_command,
    }

    def serve() -> str:
        ready = wait.until(make_claim(pool), is_ready(), limit="claim_bind_cold")
        if until in ask:
            assert ask[until](ready.sandbox_name).hostname == ready.sandbox_name
        return ready.sandbox_name

    served: list[str] = []
    benchmark.pedantic(
        lambda: served.append(serve()), setup=lambda: sandboxes.fill(pool, stock), rounds=ROUNDS
    )
    if benchmark.stats is None:
        pytest.skip("nothing was measured: run it with -n 0 and without --benchmark-disable")
    taken = benchmark.stats.stats.sorted_data
    benchmark.extra_info |= {
        "p50": statistics.median(taken),
        "p90": statistics.quantiles(taken, n=10)[-1],
        "max": taken[-1],
        "n": len(taken),
    }
    assert {wait.current(sandboxes.named(name)).launch_type for name in served} == {launch}
