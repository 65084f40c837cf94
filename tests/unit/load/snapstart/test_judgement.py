"""The verdict on SnapStart: what speaks against a run, and which state that makes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from fixtures.errors import UsageError
from fixtures.load import budgets
from fixtures.load.budgets import Budget, Scenario
from fixtures.load.options import BUDGETS
from fixtures.load.records import Noise
from fixtures.load.snapstart.judgement import judge
from fixtures.load.snapstart.plays import PLAYS
from fixtures.load.snapstart.records import SnapstartRun
from fixtures.load.verdict import State
from tests.unit.load.snapstart.runs import (
    PAIRS,
    QUIET,
    changed,
    failed_restores,
    fan_out,
    pairs,
    rebuilds,
    switched_off,
)

ROOT = Path(__file__).parents[4]


def terms(*given: Budget, sessions: int = PAIRS * 6) -> Scenario:
    """Budgets for the pairs."""
    usual = (Budget("local_speedup", "numpy.low", 5.0, at_least=True), Budget("failures", "total", 0.0))
    return Scenario("kwok", "snapstart-pairs", sessions, 1, given or usual)


def test_clean_pairs_pass() -> None:
    """All gates hold, all budgets are met."""
    found = judge(pairs(), terms())

    assert (found.verdict.state, found.verdict.reasons) == (State.PASS, ())
    assert all(gate.ok for gate in found.gates)


def noisy(noise: Noise) -> SnapstartRun:
    """One round in which the machine did something else."""
    made = pairs()
    return replace(made, rounds=(replace(made.rounds[0], noise=noise), *made.rounds[1:]))


def slow(made: SnapstartRun) -> SnapstartRun:
    """Restores that take as long as cold starts (M59)."""
    late = tuple(
        replace(s, t_answered=s.t_answered + 0.3) if s.asked == "restored" and s.t_answered else s
        for s in made.sessions
    )
    return replace(made, sessions=late)


def cold_behind_a_key(made: SnapstartRun) -> SnapstartRun:
    """One restored session that bootstrapped by itself, and has the key all the same (M9)."""
    place = next(i for i, s in enumerate(made.sessions) if s.asked == "restored")
    return changed(made, place, boot_id="boot-of-its-own", preload_ns=200_000_000)


def restored_without_being_asked(made: SnapstartRun) -> SnapstartRun:
    """One cold session that came from an artifact."""
    place = next(i for i, s in enumerate(made.sessions) if s.asked == "cold" and s.preload == "numpy")
    return changed(made, place, boot_id="boot-numpy-1", preload_ns=77)


SPOILED: dict[str, tuple[Callable[[SnapstartRun], SnapstartRun], State, str]] = {
    "slow restores": (slow, State.SLO_MISSED, "BUDGET"),
    "cold behind a key": (cold_behind_a_key, State.INVALID, "WITNESS"),
    "restored unasked": (restored_without_being_asked, State.INVALID, "WITNESS"),
    "wrong answer": (lambda run: changed(run, 0, right=False), State.INVALID, "WITNESS"),
    "another instance": (lambda run: changed(run, 0, instance_id="x"), State.INVALID, "WITNESS"),
    "no stamp": (lambda run: changed(run, 0, t_accepted=None), State.INVALID, "STAMPS"),
    "gap": (lambda run: replace(run, gap_s=0.2), State.INVALID, "WATCH_GAP"),
    "stolen": (lambda _: noisy(replace(QUIET, steal=0.2)), State.INVALID, "NOISE"),
    "others": (lambda _: noisy(replace(QUIET, foreign=0.5)), State.INVALID, "NOISE"),
    "jump": (lambda _: noisy(replace(QUIET, clock_jump_s=2.0)), State.INVALID, "NOISE"),
    "pause": (lambda _: noisy(replace(QUIET, longest_pause_s=1.0)), State.INVALID, "NOISE"),
    "violated": (lambda run: replace(run, violations=("SS-J9: x",)), State.INCORRECT, "INVARIANT"),
    "smaller": (lambda run: replace(run, sessions=run.sessions[6:]), State.INVALID, "TOO_SMALL"),
}


@pytest.mark.parametrize("name", sorted(SPOILED))
def test_what_spoils_a_run_is_its_reason(name: str) -> None:
    """Each thing that can be wrong MUST alone decide the state, with its code."""
    spoil, state, code = SPOILED[name]
    found = judge(spoil(pairs()), terms()).verdict

    assert (found.state, {reason.code for reason in found.reasons}) == (state, {code})


def test_a_gap_matters_where_figures_come_from_watches() -> None:
    """What is told by answers alone MUST NOT be INVALID for a watch that the API server ended."""
    gap = replace(pairs(), gap_s=2.5)

    assert judge(gap, terms()).verdict.state is State.INVALID
    assert judge(replace(gap, watched=False), terms()).verdict.state is State.PASS


def test_nothing_is_no_pass() -> None:
    """A run without a session MUST be INVALID."""
    assert judge(replace(pairs(), sessions=(), rounds=()), terms()).verdict.state is State.INVALID


def test_a_failed_session_is_missed_and_told() -> None:
    """A session that did not come about MUST miss the budget, and its answer be in the notes."""
    found = judge(changed(pairs(), 0, status=504, error="too late"), terms()).verdict

    assert found.state is State.SLO_MISSED
    assert found.notes == ("a cold session failed: 504 too late",)


def test_what_was_set_aside_is_told() -> None:
    """A reader MUST see how often the machine was in the way."""
    made = pairs()
    aside = replace(made.rounds[0], number=99, counted=False, set_aside=("0.2 of the CPU time was stolen",))
    found = judge(replace(made, rounds=(*made.rounds, aside)), terms()).verdict

    assert found.state is State.PASS
    assert found.notes == ("round 99 was set aside: 0.2 of the CPU time was stolen",)


def test_what_was_not_measured_is_invalid() -> None:
    """A budget for something that this scenario does not have MUST say so."""
    found = judge(pairs(), terms(Budget("fan_wall", "n50.cold", 1.0))).verdict

    assert (found.state, found.reasons[0].code) == (State.INVALID, "UNMEASURED")


#: A wrong run of each scenario, and the metric whose budget in the committed file must notice it.
WRONG = {
    "snapstart-pairs": (slow(pairs()), "local_speedup"),
    "snapstart-fan-out": (changed(fan_out(), 15, right=False), "fan_witnessed"),
    "snapstart-failed-restores": (failed_restores(2.5), "failed_restore_limits"),
    "snapstart-switched-off": (switched_off(0.15), "off_ratio"),
    "snapstart-rebuilds": (changed(rebuilds(), 3, key="numpy-2"), "change"),
}


@pytest.mark.parametrize("name", sorted(PLAYS))
def test_the_budgets_of_the_suite_notice_what_they_are_for(name: str) -> None:
    """Every scenario MUST have budgets, and the mutant that it is there for MUST miss one."""
    own = budgets.load(ROOT / BUDGETS).find("kwok", name)
    run, metric = WRONG[name]
    missed = {reason.text.split()[0] for reason in judge(run, own).verdict.reasons if reason.code == "BUDGET"}

    assert metric in missed


def test_mistakes_in_budgets_are_named(tmp_path: Path) -> None:
    """A metric of claims MUST NOT be taken for one of SnapStart."""
    file = tmp_path / "budgets.yaml"
    file.write_text("kwok:\n  x: {sessions: 2, budgets: [{metric: t_green, statistic: max, at_most: 1}]}\n")

    with pytest.raises(UsageError, match="metric of SnapStart"):
        budgets.load(file)
