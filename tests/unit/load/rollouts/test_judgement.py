"""The verdict on rollouts: what speaks against a run, and which state that makes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from fixtures.errors import UsageError
from fixtures.load import budgets
from fixtures.load.budgets import Budget, Scenario
from fixtures.load.options import BUDGETS
from fixtures.load.rollouts.judgement import judge
from fixtures.load.rollouts.records import RolloutRun
from fixtures.load.verdict import State
from tests.unit.load.rollouts.runs import QUIET, clean, with_failure

ROOT = Path(__file__).parents[4]


def terms(*given: Budget, changes: int = 2) -> Scenario:
    """Budgets for the clean run."""
    usual = (Budget("error_ratio", "total", 0.0), Budget("t_green", "max", 0.5))
    return Scenario("kwok", "rollout-under-load", changes, 1, given or usual)


def test_a_clean_run_passes() -> None:
    """All gates hold, all budgets are met."""
    found = judge(clean(), terms())

    assert (found.verdict.state, found.verdict.reasons) == (State.PASS, ())
    assert all(gate.ok for gate in found.gates)


def late(run: RolloutRun) -> RolloutRun:
    """All requests sent 30 ms late."""
    return replace(run, turns=tuple(replace(t, t_began=t.t_intended + 0.03) for t in run.turns))


def unfinished(run: RolloutRun) -> RolloutRun:
    """The last old template is still there."""
    return replace(run, templates=run.templates[:-1])


SPOILED: dict[str, tuple[Callable[[RolloutRun], RolloutRun], State, str]] = {
    "failed": (lambda run: with_failure(run, 30), State.SLO_MISSED, "BUDGET"),
    "late": (late, State.INVALID, "SCHED_LAG"),
    "unfinished": (unfinished, State.SLO_MISSED, "NOT_DONE"),
    "gap": (lambda run: replace(run, gap_s=0.2), State.INVALID, "WATCH_GAP"),
    "stolen": (lambda run: replace(run, noise=replace(QUIET, steal=0.2)), State.INVALID, "NOISE"),
    "jump": (lambda run: replace(run, noise=replace(QUIET, clock_jump_s=2.0)), State.INVALID, "NOISE"),
    "pause": (lambda run: replace(run, noise=replace(QUIET, longest_pause_s=1.0)), State.INVALID, "NOISE"),
    "unmeasured machine": (lambda run: replace(run, noise=None), State.INVALID, "NOISE"),
    "violated": (lambda run: replace(run, violations=("I3: at 2.0 s",)), State.INCORRECT, "INVARIANT"),
    "smaller": (lambda run: clean(changes=1), State.INVALID, "TOO_SMALL"),
}


@pytest.mark.parametrize("name", sorted(SPOILED))
def test_what_spoils_a_run_is_its_reason(name: str) -> None:
    """Each thing that can be wrong MUST alone decide the state, with its code."""
    spoil, state, code = SPOILED[name]
    found = judge(spoil(clean()), terms()).verdict

    assert (found.state, {reason.code for reason in found.reasons}) == (state, {code})


def test_nothing_is_no_pass() -> None:
    """A run without a change MUST be INVALID."""
    nothing = replace(clean(), changes=(), turns=(), templates=(), calls=())

    assert judge(nothing, terms()).verdict.state is State.INVALID


def test_what_was_not_measured_is_invalid() -> None:
    """A budget for something that this scenario does not have MUST say so."""
    found = judge(clean(), terms(Budget("list_seconds", "at_1000", 1.0))).verdict

    assert (found.state, found.reasons[0].code) == (State.INVALID, "UNMEASURED")
    assert "not measured here" in found.reasons[0].text


def test_failed_requests_are_told() -> None:
    """Whoever reads of a failure MUST find what it was."""
    notes = judge(with_failure(clean(), 30), terms()).verdict.notes

    assert notes == ("request 30 at 1.500 s failed: 503 no",)


def test_the_budgets_of_the_suite_are_read() -> None:
    """The committed file MUST have the contract's limits: no failed request, three requeues."""
    found = budgets.load(ROOT / BUDGETS)
    load = found.find("kwok", "rollout-under-load")
    idle = found.find("kwok", "idle-rollout")

    assert Budget("error_ratio", "total", 0.0, because="one spare worker is enough") in load.budgets
    assert (load.claims, load.repetitions) == (10, 1)
    assert Budget("t_retire_requeues", "p95", 3.0) in idle.budgets


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("{changes: 2, claims: 3, budgets: [{metric: t_green, statistic: max, at_most: 1}]}", "'claims'"),
        ("{changes: 0, budgets: [{metric: t_green, statistic: max, at_most: 1}]}", "above 0"),
        (
            "{changes: 2, budgets: [{metric: claim_ready_latency, statistic: max, at_most: 1}]}",
            "metric of rollouts",
        ),
        ("{changes: 2, budgets: [{metric: t_green, statistic: maxi, at_most: 1}]}", "did you mean 'max'"),
    ],
)
def test_mistakes_in_budgets_are_named(tmp_path: Path, text: str, complaint: str) -> None:
    """A mistake MUST be an error of usage that names it."""
    file = tmp_path / "budgets.yaml"
    file.write_text(f"kwok:\n  idle: {text}\n")

    with pytest.raises(UsageError, match=complaint):
        budgets.load(file)
