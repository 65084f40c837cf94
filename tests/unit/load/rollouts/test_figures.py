"""What follows from the records of rollouts."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fixtures.errors import UsageError
from fixtures.load.rollouts import figures
from fixtures.load.rollouts.figures import CATALOGUE, holds, running
from fixtures.load.rollouts.moments import Phase, Phases, moments_of
from fixtures.load.rollouts.records import RolloutRun
from tests.unit.load.rollouts.runs import ANSWER, FLIP, GONE, READY, among, call, clean, with_failure


def value(run: RolloutRun, key: str, statistic: str) -> float:
    """One figure of a run."""
    found = figures.measure(run)[key][statistic].value
    assert found is not None
    return found


def test_the_times_of_a_rollout() -> None:
    """Ready counts from the change, first answer and end of the old template from Ready."""
    run = clean()

    assert value(run, "t_green", "max") == pytest.approx(READY)
    assert value(run, "t_flip", "max") == pytest.approx(FLIP, abs=ANSWER)
    assert value(run, "t_retire", "max") == pytest.approx(GONE)
    assert value(run, "t_retire_requeues", "max") == pytest.approx(GONE / 0.3)


def test_an_answer_that_came_before_ready_was_heard_of_takes_no_time() -> None:
    """The gateway may be first to know; a time MUST NOT be negative."""
    run = clean(changes=1)
    early = [replace(turn, template="t-1") if turn.t_intended > 1.1 else turn for turn in run.turns]

    assert value(replace(run, turns=tuple(early)), "t_flip", "min") == 0.0


def test_what_was_not_seen_has_no_time() -> None:
    """A change that came to no end MUST NOT be counted as a fast one."""
    run = clean()
    stuck = replace(run, templates=tuple(s for s in run.templates if s.phase != "gone"))

    assert figures.measure(stuck)["t_retire"]["value"].value is None
    assert [moments.done for moments in moments_of(stuck)] == [False, False]


@pytest.mark.parametrize(
    ("instant", "phase"),
    [
        (0.9, Phase.BEFORE),
        (1.0, Phase.BUILDING),
        (1.3, Phase.FLIP),
        (2.2, Phase.AFTER),
        (4.1, Phase.BUILDING),
        (9.0, Phase.AFTER),
    ],
)
def test_phases(instant: float, phase: Phase) -> None:
    """Each instant MUST lie in one phase."""
    assert Phases(moments_of(clean())).at(instant) is phase


@pytest.mark.parametrize(
    ("number", "phase"), [(3, "before"), (22, "building"), (30, "flip"), (50, "after"), (70, "after")]
)
def test_failures_are_counted_where_they_were_due(number: int, phase: str) -> None:
    """A failed request MUST raise the ratio of its phase and of all, and no other."""
    run = with_failure(clean(), number)
    found = {s: v.value for s, v in figures.measure(run)["error_ratio"].items()}

    assert {s for s, ratio in found.items() if ratio} == {"total", phase}
    assert found["total"] == 1 / len(run.turns)


def test_latencies_count_from_when_a_request_was_due() -> None:
    """What a late suite adds MUST be in the latency, and shown by itself."""
    assert value(clean(), "answer_latency", "flip.p50") == pytest.approx(ANSWER)
    assert value(clean(), "request_lag", "max") == pytest.approx(0.001)


def test_overhead_is_without_what_it_was_set_to_take() -> None:
    """The time of restore and checkpoint MUST NOT count as overhead."""
    assert value(clean(), "resume", "p50") == pytest.approx(0.03)
    assert value(clean(), "suspend", "p50") == pytest.approx(0.05)
    assert value(clean(), "resume_overhead", "p50") == pytest.approx(0.005)
    assert value(clean(), "suspend_overhead", "p50") == pytest.approx(0.01)


def test_a_server_that_does_not_say_has_no_overhead() -> None:
    """What the proxy adds MUST NOT be taken for the server's."""
    run = clean()
    silent = replace(run, calls=tuple(replace(call, in_server=None) for call in run.calls))

    assert figures.measure(silent)["resume_overhead"]["value"].value is None


def test_a_refused_resume_is_a_hold_until_the_next_one() -> None:
    """A request that waits for a worker MUST be seen, however often it was refused meanwhile."""
    full = {"code": "FAILED_PRECONDITION", "text": "no free workers available"}
    calls = [
        call("ResumeActor", "a", 1.0, 0.1, **full),
        call("ResumeActor", "b", 1.2, 0.1),
        call("ResumeActor", "a", 1.5, 0.1, **full),
        call("ResumeActor", "c", 1.6, 0.1, code="FAILED_PRECONDITION", text="something else"),
        call("ResumeActor", "a", 2.0, 0.1),
        call("ResumeActor", "c", 2.5, 0.1),
    ]

    assert holds(calls) == [pytest.approx(1.0)]


def test_actors_run_from_resume_to_suspend() -> None:
    """Two resumes of one actor MUST count once."""
    calls = [
        call("ResumeActor", "a", 1.0, 0.1),
        call("ResumeActor", "a", 1.2, 0.1),
        call("SuspendActor", "a", 1.5, 0.1),
        call("SuspendActor", "a", 1.7, 0.1),
    ]

    assert running(calls) == [(1.0, pytest.approx(1.6))]


def test_costs_of_one_rollout() -> None:
    """Calls of the controller and seconds of workers MUST be counted per change."""
    assert value(clean(), "calls", "max") == 4
    assert value(clean(), "worker_seconds", "max") == pytest.approx(0.25)


@pytest.mark.parametrize(
    ("at_100", "at_1000", "growth"), [(0.002, 0.02, 1.0), (0.002, 0.002, 0.0), (0.001, 0.1, 2.0)]
)
def test_growth_is_the_exponent(at_100: float, at_1000: float, growth: float) -> None:
    """In proportion is 1, constant 0, quadratic 2."""
    run = among((100, at_100), (1000, at_1000))

    assert value(run, "list_growth", "value") == pytest.approx(growth)
    assert value(run, "list_seconds", "at_1000") == pytest.approx(at_1000)
    assert value(run, "pass_seconds", "at_100") == pytest.approx(at_100)


def test_every_statistic_is_one_of_the_catalogue() -> None:
    """What budgets may name and what is measured MUST agree, besides what says why there is nothing."""
    for run in (clean(), among((100, 0.1), (1000, 0.2))):
        for key, values in figures.measure(run).items():
            there = {s for s, v in values.items() if v.value is not None}
            assert there <= {*CATALOGUE[key].statistics}, key


def test_an_unknown_metric_is_named_with_the_nearest() -> None:
    """A misspelt metric MUST be an error of usage."""
    with pytest.raises(UsageError, match="did you mean 't_green'"):
        CATALOGUE.metric("t_gren")
