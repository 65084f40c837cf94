"""The file of budgets: what is read from it, and what is said about its mistakes."""

from __future__ import annotations

from pathlib import Path

import pytest

from fixtures.errors import UsageError
from fixtures.load.budgets import Budget, BudgetFile, Judged, Scenario, judge, load, shortfall
from fixtures.load.metrics import Measurements
from fixtures.load.options import BUDGETS
from fixtures.load.readings import Value
from fixtures.load.verdict import State
from tests.unit.load import spoiled
from tests.unit.load.results import healthy

ROOT = Path(__file__).parents[3]


def file_of(folder: Path, budgets: str, *, claims: object = 100, repetitions: object = 5) -> Path:
    """A file with one scenario and these budgets."""
    path = folder / "budgets.yaml"
    path.write_text(
        f"kwok:\n  paced:\n    claims: {claims}\n    repetitions: {repetitions}\n    budgets: {budgets}\n"
    )
    return path


def read(folder: Path, budgets: str, **numbers: object) -> BudgetFile:
    """What is read from it."""
    return load(file_of(folder, budgets, **numbers))


def scenario(*budgets: Budget) -> Scenario:
    """A scenario of the healthy size."""
    return Scenario("kwok", "paced", 100, 5, budgets)


def test_the_budgets_of_the_suite_are_read() -> None:
    """The committed file MUST be right, and have the contract's limits."""
    found = load(ROOT / BUDGETS)

    assert sorted(found.profiles) == ["gke", "kind", "kwok", "kwok-criu", "kwok-presubmit"]
    paced = {(b.metric, b.statistic): b.limit for b in found.find("kwok", "paced-adoption").budgets}
    assert paced["claim_ready_latency", "p50"] == 0.3
    assert paced["claim_ready_latency", "p99"] == 1.0
    assert paced["time_to_all_ready", "tail.max"] == 1.5
    assert paced["sched_lag", "p99"] == 0.005
    presubmit = {(b.metric, b.statistic): b.limit for b in found.find("kwok-presubmit", "paced-75").budgets}
    assert [presubmit["claim_ready_latency", p] for p in ("p50", "p90", "p99")] == [0.3, 0.3, 0.5]


def test_a_budget_is_read(tmp_path: Path) -> None:
    """Metric, statistic, limit, direction and reason."""
    text = "[{metric: warm_served_fraction, statistic: value, at_least: 1, because: all of them}]"
    found = read(tmp_path, text).find("kwok", "paced")

    assert found == Scenario(
        "kwok", "paced", 100, 5, (Budget("warm_served_fraction", "value", 1.0, True, "all of them"),)
    )


@pytest.mark.parametrize(
    ("budgets", "complaint"),
    [
        ("[]", "budgets must be a list, and not an empty one"),
        ("{metric: errors}", "budgets must be a list"),
        ("[{metric: errors, statistic: total, atmost: 0}]", "unknown field 'atmost'; did you mean 'at_most'"),
        ("[{metric: claim_latency, statistic: p50, at_most: 1}]", "unknown metric 'claim_latency'"),
        ("[{statistic: p50, at_most: 1}]", "lacks metric"),
        ("[{metric: errors, at_most: 1}]", "lacks statistic"),
        (
            "[{metric: replenish_time, statistic: maximum, at_most: 1}]",
            "unknown statistic of replenish_time 'maximum'",
        ),
        ("[{metric: errors, statistic: total}]", "must have one of at_most and at_least, not none"),
        ("[{metric: errors, statistic: total, at_most: 0, at_least: 0}]", "not at_least and at_most"),
        ("[{metric: errors, statistic: total, at_most: 300ms}]", "must be a number in the metric's unit"),
        ("[{metric: errors, statistic: total, at_most: .nan}]", "must be a number in the metric's unit"),
        ("[{metric: errors, statistic: total, at_most: true}]", "must be a number in the metric's unit"),
        (
            "[{metric: errors, statistic: tls, at_most: 0}, {metric: errors, statistic: tls, at_most: 1}]",
            "budget 2 is there twice: errors tls",
        ),
    ],
)
def test_mistakes_are_named(tmp_path: Path, budgets: str, complaint: str) -> None:
    """Each mistake MUST be a usage error that says where it is and what was probably meant."""
    with pytest.raises(UsageError) as raised:
        read(tmp_path, budgets)

    assert complaint in str(raised.value)
    assert "budgets.yaml: kwok/paced" in str(raised.value)


@pytest.mark.parametrize(("claims", "repetitions"), [(0, 5), ("many", 5), (100, 1.5), (100, "true")])
def test_numbers_are_numbers(tmp_path: Path, claims: object, repetitions: object) -> None:
    """Claims and repetitions MUST be whole numbers above 0."""
    with pytest.raises(UsageError, match="must be a whole number above 0"):
        read(
            tmp_path,
            "[{metric: errors, statistic: total, at_most: 0}]",
            claims=claims,
            repetitions=repetitions,
        )


@pytest.mark.parametrize(
    "text", ["", "[]", "kwok: []", "kwok: {paced: 3}", "kwok: {paced: {claims: 1}}", "{"]
)
def test_other_files_are_refused(tmp_path: Path, text: str) -> None:
    """What is no file of budgets MUST be a usage error, and never a file without budgets."""
    path = tmp_path / "budgets.yaml"
    path.write_text(text)

    with pytest.raises(UsageError, match=r"budgets\.yaml"):
        load(path)


def test_a_file_that_is_not_there_is_a_usage_error(tmp_path: Path) -> None:
    """It MUST be named."""
    with pytest.raises(UsageError, match=r"nowhere\.yaml"):
        load(tmp_path / "nowhere.yaml")


def test_p99_needs_enough_samples(tmp_path: Path) -> None:
    """PERF-MET-2: a P99 budget of fewer than 300 samples MUST be an error of the file; pooled ones count."""
    text = "[{metric: claim_ready_latency, statistic: p99, at_most: 1}]"
    assert read(tmp_path, text, claims=100, repetitions=3).find("kwok", "paced").budgets

    with pytest.raises(
        UsageError, match=r"P99 needs 300 samples, and all repetitions together have 200.*p95"
    ):
        read(tmp_path, text, claims=100, repetitions=2)


def test_names_are_looked_up(tmp_path: Path) -> None:
    """An unknown profile or scenario MUST be a usage error with the nearest one."""
    found = read(tmp_path, "[{metric: errors, statistic: total, at_most: 0}]")
    with pytest.raises(UsageError, match=r"unknown profile 'kwook'.*'kwok'"):
        found.find("kwook", "paced")
    with pytest.raises(UsageError, match=r"unknown scenario 'pased'.*'paced'"):
        found.find("kwok", "pased")


def test_the_limit_itself_is_allowed() -> None:
    """At most and at least include the limit."""
    assert Budget("errors", "total", 1).allows(1)
    assert not Budget("errors", "total", 1).allows(1.1)
    assert Budget("errors", "total", 1, at_least=True).allows(1)
    assert not Budget("errors", "total", 1, at_least=True).allows(0.9)


def test_what_never_happened_misses_its_budget() -> None:
    """A pool that is not full again, a load that is not all ready: SLO_MISSED, not unmeasured."""
    budget = Budget("replenish_time", "max", 30)
    run = spoiled.no_replenish(healthy())
    [judged] = judge(scenario(budget), run, Measurements.of(run))

    assert not judged.ok
    assert (judged.reason().state, judged.reason().code) == (State.SLO_MISSED, "BUDGET")
    assert "not full again within" in judged.sentence()


def test_what_was_not_measured_is_invalid() -> None:
    """A budget on something that cannot be had MUST NOT pass, and says nothing against the controller."""
    budget = Budget("controller_latency", "p50", 1)
    run = spoiled.without_ready_stamps(healthy())
    [judged] = judge(scenario(budget), run, Measurements.of(run))

    assert (judged.reason().state, judged.reason().code) == (State.INVALID, "UNMEASURED")
    assert "not available" in judged.sentence()


def test_a_smaller_load_does_not_meet_the_budgets() -> None:
    """A run that offered less than the budgets were made for MUST be INVALID."""
    meant = scenario(Budget("errors", "total", 0))

    assert shortfall(meant, healthy()) == ()
    [reason] = shortfall(meant, healthy(repetitions=4))
    assert (reason.state, reason.code, reason.value, reason.limit) == (State.INVALID, "TOO_SMALL", 400, 500)


def test_a_budget_that_is_met_is_no_reason() -> None:
    """Asking for it MUST be refused."""
    with pytest.raises(ValueError, match="is met"):
        Judged(Budget("errors", "total", 0), "", Value(0, 1, "n", "C")).reason()
