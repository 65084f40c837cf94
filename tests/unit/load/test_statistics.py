"""Percentiles, their intervals, ratios of pairs, balance: against the contract's figures and by property."""

from __future__ import annotations

import math
import random
import statistics
from collections.abc import Callable, Sequence

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fixtures.load.readings import Maker, Samples
from fixtures.load.statistics import (
    Array,
    Interval,
    balance,
    balance_against_chance,
    bootstrap,
    detectable_effect,
    interval_ranks,
    percentile,
    percentiles,
    quantile,
    ratio_of_pairs,
    t_value,
)

SAMPLES = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=400)
P = st.integers(1, 100)


def refused(call: Callable[[], object]) -> bool:
    """Whether a call is refused with ValueError."""
    try:
        call()
    except ValueError:
        return True
    return False


@settings(max_examples=200, deadline=None, derandomize=True)
@given(SAMPLES, P)
def test_a_percentile_is_the_sample_of_the_nearest_rank(samples: list[float], p: int) -> None:
    """PERF-MET-1: at least p % of the samples MUST NOT be above it, and it is the least such sample."""
    value = percentile(samples, p)

    assert value in samples, "a percentile is one of the samples, never between two"
    assert 100 * sum(sample <= value for sample in samples) >= p * len(samples)
    assert 100 * sum(sample < value for sample in samples) < p * len(samples)


@pytest.mark.parametrize(
    ("n", "p", "expected"), [(1, 50, 1), (2, 50, 1), (100, 99, 99), (101, 99, 100), (100, 50, 50), (3, 90, 3)]
)
def test_ranks_of_percentiles(n: int, p: int, expected: int) -> None:
    """sorted[ceil(n*p/100)-1], counted by hand."""
    assert percentile(list(range(n, 0, -1)), p) == expected


def test_nothing_has_no_percentile() -> None:
    """PERF-MET-1: a percentile of no samples MUST be refused; 0 would meet every budget."""
    assert refused(lambda: percentile([], 50)), "no samples have a percentile"
    assert refused(lambda: quantile([], 50)), "no samples have a quantile"


@pytest.mark.parametrize("p", [0, 101, -1])
def test_other_numbers_are_no_percentiles(p: int) -> None:
    """A percentile MUST be a whole number from 1 to 100."""
    assert refused(lambda: percentile([1.0], p))


@pytest.mark.parametrize(
    ("n", "ranks"), [(100, (97, 101)), (300, (293, 301)), (367, (359, 368)), (368, (360, 368))]
)
def test_interval_ranks_of_p99(n: int, ranks: tuple[int, int]) -> None:
    """PERF-MET-2: the contract's ranks; 368 samples are the first with an upper end."""
    assert interval_ranks(n, 99) == ranks


def test_an_interval_without_an_end_says_so() -> None:
    """Where the rank is beyond the samples the interval MUST have no end, not the maximum."""
    found = quantile([float(number) for number in range(1, 301)], 99)

    assert (found.value, found.n) == (297, 300)
    assert (found.interval.low, found.interval.high) == (293, None)
    assert quantile([1.0], 50).interval.low is None


@settings(max_examples=50, deadline=None, derandomize=True)
@given(SAMPLES, P)
def test_an_interval_contains_its_percentile(samples: list[float], p: int) -> None:
    """The percentile itself MUST lie in its interval."""
    found = quantile(samples, p)

    assert found.interval.low is None or found.interval.low <= found.value
    assert found.interval.high is None or found.interval.high >= found.value


@pytest.mark.parametrize(("n", "p", "truth"), [(100, 90, 0.9), (40, 50, 0.5), (500, 99, 0.99)])
def test_intervals_contain_the_truth(n: int, p: int, truth: float) -> None:
    """PERF-MET-1: 95 % of the intervals or more MUST contain the true percentile; 1,000 samples by seed."""
    chance = random.Random(n)
    within = 0
    for _ in range(1000):
        interval = quantile([chance.random() for _ in range(n)], p).interval
        low = -math.inf if interval.low is None else interval.low
        high = math.inf if interval.high is None else interval.high
        within += low <= truth <= high

    assert within >= 940, "0.95 with a standard error of 0.007"
    assert within < 995, "an interval that is too wide says nothing"


def test_p99_is_told_only_of_300_samples() -> None:
    """PERF-MET-2: with fewer samples P90, P95 and the maximum MUST stand in its place."""
    maker = Maker("s", "C", {}, pooled=True)
    few = Samples(tuple(map(float, range(299)))).values(maker)
    enough = Samples(tuple(map(float, range(300)))).values(maker)

    assert "p99" not in few, "P99 of 299 samples has no upper bound"
    assert {"p90", "p95", "max"} <= few.keys()
    assert enough["p99"].n == 300


@pytest.mark.parametrize(("pairs", "t"), [(5, 2.776), (6, 2.571), (8, 2.365), (10, 2.262)])
def test_t_values(pairs: int, t: float) -> None:
    """PERF-STAT-2: the contract's values."""
    assert t_value(0.975, pairs) == pytest.approx(t, abs=0.0005)


@pytest.mark.parametrize(("scatter", "percent"), [(0.05, 7), (0.08, 12), (0.12, 19), (0.16, 26)])
def test_detectable_effects(scatter: float, percent: int) -> None:
    """PERF-STAT-5: the contract's values for six pairs."""
    assert round(100 * detectable_effect(scatter, 6)) == percent


def test_a_ratio_of_pairs() -> None:
    """PERF-STAT-2: exp(mean +- t*s/sqrt(R)) of the logarithms, worked out beside it."""
    a, b = [1.0, 2.0, 4.0, 1.0, 1.0], [1.1, 2.4, 4.4, 1.3, 1.2]
    logs = [math.log(after / before) for before, after in zip(a, b, strict=True)]
    half = 2.7764451 * statistics.stdev(logs) / math.sqrt(5)

    found = ratio_of_pairs(a, b)

    assert found.value == pytest.approx(math.exp(statistics.mean(logs)))
    assert found.low == pytest.approx(math.exp(statistics.mean(logs) - half))
    assert found.high == pytest.approx(math.exp(statistics.mean(logs) + half))
    assert (found.pairs, found.scatter) == (5, pytest.approx(statistics.stdev(logs)))


@pytest.mark.parametrize(
    ("a", "b"), [([1.0], [1.0]), ([1.0, 1.0], [1.0]), ([1.0, 0.0], [1.0, 1.0]), ([1.0, 1.0], [1.0, math.inf])]
)
def test_what_has_no_ratio(a: list[float], b: list[float]) -> None:
    """Too few pairs, unequal numbers and figures that have no logarithm MUST be refused."""
    assert refused(lambda: ratio_of_pairs(a, b))


@pytest.mark.parametrize(
    ("counts", "jain"),
    [([10, 10, 10], 1.0), ([12, 10, 8], 0.974), ([15, 10, 5], 0.857), ([30, 0, 0], 0.333)],
)
def test_balance_of_counts(counts: list[int], jain: float) -> None:
    """Metric D1: the contract's values."""
    found = balance(counts)

    assert round(found.jain, 3) == jain
    assert found.max_minus_min == max(counts) - min(counts)
    assert found.max_over_mean == max(counts) / 10
    assert found.variation == pytest.approx(statistics.pstdev(counts) / 10)


def test_nothing_has_no_balance() -> None:
    """No nodes, or nothing on them, MUST be refused: it would read as perfectly even."""
    assert refused(lambda: balance([]))
    assert refused(lambda: balance([0, 0]))
    assert refused(lambda: balance_against_chance({}, {"x": 3}, seed=1))
    assert refused(lambda: balance_against_chance({"x": 4}, {"x": 3}, seed=1))


def test_a_pile_is_no_chance() -> None:
    """Metric D2: all from one node MUST be improbable by chance, an even draw unusually even, by any seed."""
    members = {"x": 30, "y": 30, "z": 30}
    for seed in range(3):
        piled = balance_against_chance({"x": 30}, members, seed)
        even = balance_against_chance({"x": 10, "y": 10, "z": 10}, members, seed)
        usual = balance_against_chance({"x": 12, "y": 10, "z": 8}, members, seed)

        assert piled.as_uneven < 0.001 < 0.9 < piled.as_even
        assert even.as_uneven > 0.9 > 0.1 > even.as_even
        assert min(usual.as_even, usual.as_uneven) > 0.1
    assert balance_against_chance({"x": 30}, members, 1) == balance_against_chance({"x": 30}, members, 1)


def ratio(columns: Sequence[Array]) -> Array:
    """Of medians."""
    return percentiles(columns[0], 50) / percentiles(columns[1], 50)


def test_percentiles_of_rows_are_those_of_each() -> None:
    """A matrix MUST be judged by the same rule as a list."""
    rows = numpy.array([[3.0, 1.0, 2.0, 9.0], [5.0, 8.0, 6.0, 7.0]])

    for p in (1, 25, 50, 51, 95, 100):
        assert list(percentiles(rows, p)) == [percentile(list(row), p) for row in rows]


def test_a_bootstrap_interval_has_the_truth_in_it() -> None:
    """Of 200 experiments whose truth is 4, about 95 % of the intervals MUST have it in them."""
    chance = random.Random(3)
    hits = 0
    for seed in range(200):
        b = [math.exp(chance.gauss(0, 0.2)) for _ in range(30)]
        a = [4 * math.exp(chance.gauss(0, 0.2)) for _ in range(30)]
        found = bootstrap([a, b], ratio, seed)
        assert found.low is not None
        assert found.high is not None
        hits += found.low <= 4 <= found.high

    assert 180 <= hits <= 199


def test_a_bootstrap_draws_tuples_together() -> None:
    """What varies in both alike MUST NOT make their ratio uncertain, and the same seed MUST give the same."""
    b = [float(number) for number in range(1, 31)]
    a = [3 * value for value in b]

    assert bootstrap([a, b], ratio, 1) == Interval(pytest.approx(3.0), pytest.approx(3.0))
    uneven = bootstrap([a, b[::-1]], ratio, 1)
    assert uneven == bootstrap([a, b[::-1]], ratio, 1)
    assert uneven != bootstrap([a, b[::-1]], ratio, 2)


@pytest.mark.parametrize("columns", [[[1.0], [2.0]], [[1.0, 2.0], [1.0]]])
def test_a_bootstrap_needs_tuples(columns: list[list[float]]) -> None:
    """One tuple has no scatter, and columns of different lengths are none."""
    with pytest.raises(ValueError, match="cannot be drawn again"):
        bootstrap(columns, ratio, 1)
