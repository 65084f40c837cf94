"""Samples through pytest-benchmark: what goes in comes out, whatever the machine does meanwhile."""

from __future__ import annotations

import json
from typing import Any, cast

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from fixtures.errors import UsageError
from fixtures.load.replay import replay, replays, rounds
from fixtures.load.virtualclock import CLOCK
from tests.unit.load.sample_suites import without_cpu_info


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs in this process, without a search for the CPU."""
    without_cpu_info(monkeypatch)


#: Values that binary fractions cannot hold, of very different sizes, one of them twice.
VALUES = [0.1, 0.3, 1e-9, 86400.123456789, 0.1]


@pytest.mark.parametrize(
    ("repetitions", "statistic", "expected"),
    [
        ([[3, 1, 2], [5, 4, 6]], "p50", (2, 5)),
        ([[3, 1, 2], [5, 4, 6]], "max", (3, 6)),
        ([list(range(1, 101)), list(range(101, 201))], "p90", (90, 190)),
        ([list(range(1, 101)), list(range(101, 201))], "p99", (198,)),
        ([list(range(1, 301)), list(range(301, 601))], "p99", (297, 597)),
        ([list(range(1, 301)), list(range(301, 600))], "p99", (594,)),
    ],
)
def test_the_rounds_of_a_statistic(
    repetitions: list[list[float]], statistic: str, expected: tuple[float, ...]
) -> None:
    """One round per repetition, by nearest rank; the P99 of small ones MUST be one, over all samples."""
    assert rounds(repetitions, statistic) == expected


@pytest.mark.parametrize("values", [[], [0.0], [0.1, -1.0], [float("nan")], [float("inf")]])
def test_what_cannot_be_replayed_is_named(values: list[float]) -> None:
    """No values, or one that a share cannot be told of, MUST be an error, before anything is measured."""
    with pytest.raises(ValueError, match="there is nothing to replay|cannot be replayed"):
        replay(cast("BenchmarkFixture", None), values)


def test_what_has_no_rounds_is_named() -> None:
    """No repetition, an empty one, and an unknown statistic MUST be errors."""
    with pytest.raises(ValueError, match="no repetition"):
        rounds([], "p50")
    with pytest.raises(ValueError, match="no samples|empty"):
        rounds([[]], "p50")
    with pytest.raises(UsageError, match="unknown statistic 'p9'"):
        rounds([[1.0]], "p9")


def test_the_marker_names_the_clock() -> None:
    """The marker MUST hold timer and group together."""
    assert replays("claim ready").kwargs == {"timer": CLOCK, "group": "claim ready"}


#: How a suite is run in this process: garbage that other tests left must not be complained of in it.
ALONE = (
    "--benchmark-json=b.json",
    *("-p", "no:cacheprovider"),
    *("-p", "no:unraisableexception"),
    # It must come before any use of hypothesis in its process, and other self-tests may have used it by now.
    *("-p", "no:hypothesispytest"),
)

SUITE = """
import pytest, time
from fixtures.load.replay import replay, replays

MARKER = {marker}

@MARKER
def test_replays(benchmark):
    replay(benchmark, {values})
"""


def stored(pytester: pytest.Pytester, marker: str) -> dict[str, Any]:
    """What pytest-benchmark writes down of a replay under this marker."""
    pytester.makepyfile(SUITE.format(values=VALUES, marker=marker))
    result = pytester.runpytest_inprocess(*ALONE)
    result.assert_outcomes(passed=1)
    benchmark: dict[str, Any] = json.loads((pytester.path / "b.json").read_text())["benchmarks"][0]
    return benchmark


def test_what_is_stored_is_what_was_replayed(pytester: pytest.Pytester) -> None:
    """PERF-PB-7: pytest-benchmark MUST keep every value, to the last bit and in its order."""
    found = stored(pytester, "replays('claims')")

    assert found["stats"]["data"] == VALUES
    assert (found["stats"]["rounds"], found["stats"]["iterations"]) == (len(VALUES), 1)
    assert (found["group"], found["options"]["timer"]) == ("claims", "CLOCK")


def test_a_real_timer_is_found_out(pytester: pytest.Pytester) -> None:
    """PERF-PB-7: what a real timer measured instead MUST be INVALID, and MUST NOT be kept."""
    pytester.makepyfile(SUITE.format(values=VALUES, marker="pytest.mark.benchmark(timer=time.perf_counter)"))

    result = pytester.runpytest_inprocess(*ALONE)

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines("*PerfVerdict: INVALID: REPLAY: pytest-benchmark kept 5 values*")
    assert json.loads((pytester.path / "b.json").read_text())["benchmarks"] == []
