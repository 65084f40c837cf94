"""What is found of a controller, from records to verdict; mutants put wrong ones in its place."""

from __future__ import annotations

from fixtures.load.budgets import Budget, Scenario
from fixtures.load.judgement import Judgement, judge
from fixtures.load.records import RunResult
from tests.unit.load.results import healthy, paired

SCENARIO = Scenario(
    "kwok",
    "pool",
    50,
    5,
    (
        Budget("node_balance", "max_minus_min.max", 1),
        Budget("replenish_time", "max", 15),
        Budget("over_creation", "max", 0),
        Budget("over_creation", "pool_peak.max", 0),
        Budget("ready_in_writes", "median", 25),
    ),
)


def observed() -> RunResult:
    """What the generator saw of the controller."""
    return healthy(claims=50, pool_size=100)


def observed_twice() -> RunResult:
    """What it saw of two builds of it."""
    return paired()


def judged() -> Judgement:
    """The judgement by gates and budgets."""
    return judge(observed(), scenario=SCENARIO)


def reasons() -> dict[str, str]:
    """State by code of every reason, budgets by their metric."""
    return {
        reason.text.split()[0] if reason.code == "BUDGET" else reason.code: str(reason.state)
        for reason in judged().verdict.reasons
    }


def test_claims_up_to_the_size_of_the_pool_are_served_warm() -> None:
    """PERF-VAL-5, C1: by the label of the Sandbox."""
    assert "WARM" not in reasons()
    assert judged().measurements.pooled[""]["warm_served_fraction"]["value"].value == 1


def test_every_claim_is_served() -> None:
    """PERF-VAL-6, A9."""
    assert "NOT_READY" not in reasons()
    assert judged().measurements.pooled[""]["time_to_all_ready"]["max"].value is not None


def test_no_sandbox_is_shared_and_no_claim_has_two() -> None:
    """PERF-VAL-10: before anything else."""
    assert reasons().get("SHARED") != "INCORRECT"


def test_adoptions_are_spread_over_the_nodes() -> None:
    """D1."""
    assert "node_balance" not in reasons()


def test_the_pool_is_full_again_in_time() -> None:
    """C4."""
    assert "replenish_time" not in reasons()


def test_no_sandbox_is_made_in_excess() -> None:
    """C5."""
    assert "over_creation" not in reasons()


def test_a_claim_takes_as_many_writes_as_it_must() -> None:
    """PERF-BUD-1: a controller that is twice as slow is seen by a budget, whatever the machine."""
    assert "ready_in_writes" not in reasons()


def test_a_build_is_not_slower_than_another() -> None:
    """PERF-STAT-3: the builds are the same."""
    assert str(judge(observed_twice(), compared=True).verdict.state) != "REGRESSED"


def test_nothing_costs_time_that_is_not_the_controllers() -> None:
    """PERF-LG-19: what is served in several versions is converted, and the verdict says so."""
    assert judged().verdict.notes == ()


def test_the_right_controller_passes() -> None:
    """Everything together."""
    assert judged().verdict.text == "PASS: paced: all gates hold, all budgets met"
