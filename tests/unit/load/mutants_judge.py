"""Wrong judges and wrong controllers, and the self-tests that must notice each.

Wrong judges lie in one function. Wrong controllers are what their runs leave in the records (spoiled.py).
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import pytest

from fixtures.load import statistics, verdict
from fixtures.load.records import RunResult
from tests.unit.load import (
    spoiled,
    test_wrong_controllers,
)
from tests.unit.load.mutants import Fired, Mutant


def _everywhere(patch: pytest.MonkeyPatch, right: Callable[..., Any], wrong: Callable[..., Any]) -> None:
    """Put a wrong function in the place of a right one, in every module that has it by its name."""
    name = right.__name__
    for module in list(sys.modules.values()):
        ours = module.__name__.startswith(("fixtures.load", "tests.unit.load"))
        if ours and getattr(module, name, None) is right:
            patch.setattr(module, name, wrong)


@contextmanager
def empty_zero() -> Iterator[Fired]:
    """A percentile of no samples is 0.0 (PKB-D4)."""
    fired, right = Fired(), statistics.percentile

    def wrong(samples: Sequence[float], p: int) -> float:
        if samples:
            return right(samples, p)
        fired()
        return 0.0

    with pytest.MonkeyPatch.context() as patch:
        _everywhere(patch, right, wrong)
        yield fired


@contextmanager
def pct_interp() -> Iterator[Fired]:
    """A percentile lies between two samples, by linear interpolation."""
    fired, right = Fired(), statistics.percentile

    def wrong(samples: Sequence[float], p: int) -> float:
        if not samples:
            return right(samples, p)
        fired()
        ordered, place = sorted(samples), (len(samples) - 1) * p / 100
        low = int(place)
        high = min(low + 1, len(ordered) - 1)
        return ordered[low] + (ordered[high] - ordered[low]) * (place - low)

    with pytest.MonkeyPatch.context() as patch:
        _everywhere(patch, right, wrong)
        yield fired


@contextmanager
def stat_naive_p99() -> Iterator[Fired]:
    """P99 is told of any number of samples."""
    fired, right = Fired(), statistics.told

    def wrong(n: int) -> tuple[int, ...]:
        fired(99 not in right(n))
        return (50, 90, 95, 99)

    with pytest.MonkeyPatch.context() as patch:
        _everywhere(patch, right, wrong)
        yield fired


@contextmanager
def verdict_default_pass() -> Iterator[Fired]:
    """What nobody judged has passed."""
    fired, right = Fired(), verdict.decide

    def wrong(scenario: str, **given: Any) -> verdict.Verdict:
        fired()
        return right(scenario, **given | {"gates_needed": (), "judged": 1})

    with pytest.MonkeyPatch.context() as patch:
        _everywhere(patch, right, wrong)
        yield fired


def controller(
    spoil: Callable[[RunResult], RunResult], run: str = "observed"
) -> Callable[[], AbstractContextManager[Fired]]:
    """The lie of a controller that leaves such records."""

    @contextmanager
    def lie() -> Iterator[Fired]:
        fired, right = Fired(), getattr(test_wrong_controllers, run)

        def wrong() -> RunResult:
            made: RunResult = right()
            fired(spoil(made) != made)
            return spoil(made)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(test_wrong_controllers, run, wrong)
            yield fired

    return lie


MUTANTS: dict[str, Mutant] = {
    "empty-zero": Mutant(empty_zero, ("test_statistics.test_nothing_has_no_percentile",)),
    "pct-interp": Mutant(
        pct_interp,
        (
            "test_statistics.test_a_percentile_is_the_sample_of_the_nearest_rank",
            "test_metrics.test_latencies_by_hand",
        ),
    ),
    "stat-naive-p99": Mutant(stat_naive_p99, ("test_statistics.test_p99_is_told_only_of_300_samples",)),
    "verdict-default-pass": Mutant(verdict_default_pass, ("test_verdict.test_no_verdict_is_invalid",)),
    "cold-disguised-as-warm": Mutant(
        controller(spoiled.cold_disguised_as_warm),
        ("test_wrong_controllers.test_claims_up_to_the_size_of_the_pool_are_served_warm",),
    ),
    "drop-one-claim": Mutant(
        controller(spoiled.drop_one_claim), ("test_wrong_controllers.test_every_claim_is_served",)
    ),
    "shared-adopt": Mutant(
        controller(spoiled.shared_adopt),
        ("test_wrong_controllers.test_no_sandbox_is_shared_and_no_claim_has_two",),
    ),
    "double-adopt": Mutant(
        controller(spoiled.double_adopt),
        ("test_wrong_controllers.test_no_sandbox_is_shared_and_no_claim_has_two",),
    ),
    "pile-up": Mutant(
        controller(spoiled.pile_up), ("test_wrong_controllers.test_adoptions_are_spread_over_the_nodes",)
    ),
    "late-replenish": Mutant(
        controller(spoiled.late_replenish), ("test_wrong_controllers.test_the_pool_is_full_again_in_time",)
    ),
    "no-replenish": Mutant(
        controller(spoiled.no_replenish), ("test_wrong_controllers.test_the_pool_is_full_again_in_time",)
    ),
    "over-create": Mutant(
        controller(spoiled.over_create), ("test_wrong_controllers.test_no_sandbox_is_made_in_excess",)
    ),
    "slow-x2": Mutant(
        controller(spoiled.slow_x2, "observed_twice"),
        ("test_wrong_controllers.test_a_build_is_not_slower_than_another",),
    ),
    "list-per-claim": Mutant(
        controller(spoiled.list_per_claim, "observed_twice"),
        ("test_wrong_controllers.test_a_build_is_not_slower_than_another",),
    ),
    "env-v1alpha1-served": Mutant(
        controller(spoiled.v1alpha1_served),
        ("test_wrong_controllers.test_nothing_costs_time_that_is_not_the_controllers",),
    ),
    "slow-x2-alone": Mutant(
        controller(spoiled.slow_x2),
        ("test_wrong_controllers.test_a_claim_takes_as_many_writes_as_it_must",),
    ),
}
