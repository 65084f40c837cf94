"""From reasons to one state: the worst wins, nothing is lost, and no verdict is no pass."""

from __future__ import annotations

import itertools

import pytest

from fixtures.load.budgets import Budget, Scenario
from fixtures.load.gates import NEEDED
from fixtures.load.judgement import judge
from fixtures.load.verdict import WORST_FIRST, PerfVerdict, Reason, State, Verdict, decide
from tests.unit.load import spoiled
from tests.unit.load.results import healthy, paired

SCENARIO = Scenario(
    "kwok",
    "paced",
    100,
    5,
    (
        Budget("claim_ready_latency", "p50", 0.3),
        Budget("warm_served_fraction", "value", 1.0, at_least=True),
    ),
)


def decided(*reasons: Reason, judged: int = 1, seen: tuple[str, ...] = NEEDED) -> Verdict:
    """A verdict from these reasons, with every gate evaluated unless told otherwise."""
    return decide("paced", gates_seen=seen, gates_needed=NEEDED, judged=judged, reasons=reasons)


def reason(state: State) -> Reason:
    """Something that stands for this state."""
    return Reason(state, "CODE", f"{state} it is", 2.0, 1.0, 100)


def test_the_worst_state_wins_and_all_reasons_are_listed() -> None:
    """PERF-VER-1: correctness > INVALID > SLO_MISSED > REGRESSED > INCONCLUSIVE > PASS."""
    assert [str(state) for state in WORST_FIRST] == [
        "INCORRECT",
        "INVALID",
        "SLO_MISSED",
        "REGRESSED",
        "INCONCLUSIVE",
        "PASS",
    ]
    for worse, better in itertools.combinations(WORST_FIRST[:-1], 2):
        found = decided(reason(better), reason(worse))
        assert found.state is worse
        assert [one.state for one in found.reasons] == [worse, better]
        assert f"{better} it is" in found.text


def test_without_a_reason_a_run_passes() -> None:
    """PASS: gates hold, budgets met."""
    found = decided()

    assert (found.state, found.certified, found.fails(strict=True)) == (State.PASS, True, False)
    found.check(strict=True)


def test_no_verdict_is_invalid() -> None:
    """PERF-VER-1: a run of which nothing was judged, or a gate not evaluated, MUST be INVALID."""
    assert decided(judged=0).state is State.INVALID, "nothing was judged"
    assert decided(seen=NEEDED[1:]).state is State.INVALID, "a gate was not evaluated"
    assert decided(seen=()).reasons[0].code == "NO_VERDICT"
    assert judge(healthy()).verdict.state is State.INVALID, "neither budgets nor a comparison"


@pytest.mark.parametrize(
    ("state", "fails", "fails_strictly", "certified"),
    [
        (State.INCORRECT, True, True, False),
        (State.INVALID, True, True, False),
        (State.SLO_MISSED, True, True, True),
        (State.REGRESSED, True, True, True),
        (State.INCONCLUSIVE, False, True, True),
    ],
)
def test_what_lets_a_test_fail(state: State, fails: bool, fails_strictly: bool, certified: bool) -> None:
    """PERF-VER-2: every state but PASS MUST fail the test; INCONCLUSIVE only if strict."""
    found = decided(reason(state))

    assert (found.fails(), found.fails(strict=True), found.certified) == (fails, fails_strictly, certified)
    with pytest.raises(PerfVerdict) as raised:
        found.check(strict=True)
    assert raised.value.state is state
    assert str(raised.value) == found.text


def test_the_first_line_is_enough() -> None:
    """It MUST have scenario, state, and the worst reason with value, limit and n."""
    found = judge(spoiled.late_calls(spoiled.drop_one_claim(healthy())), scenario=SCENARIO).verdict

    assert found.text.splitlines()[:2] == [
        "INVALID: paced: SCHED_LAG: calls are late by 50.0 ms, at most 5.0 ms, n=500 (PERF-VAL-1)",
        "  also SLO_MISSED NOT_READY: 5 of 500 claims never became ready, none may: ready_timeout; "
        "first asc-perf/run-0001-1-7 (PERF-VAL-6)",
    ]


def test_a_healthy_run_passes_its_budgets() -> None:
    """The whole chain, on a healthy run."""
    found = judge(healthy(), scenario=SCENARIO)

    assert found.verdict.state is State.PASS
    assert found.verdict.text == "PASS: paced: all gates hold, all budgets met"
    assert [judged.ok for judged in found.budgets] == [True, True]


def test_a_missed_budget_fails() -> None:
    """SLO_MISSED MUST name metric, statistic, value, limit and n."""
    found = judge(healthy(median_s=0.4), scenario=SCENARIO).verdict

    assert found.state is State.SLO_MISSED
    assert found.text.startswith("SLO_MISSED: paced: BUDGET: claim_ready_latency p50 is 0.39")
    assert found.text.endswith("s, at most 0.3 s, n=500")


def test_sources_that_disagree_are_noted() -> None:
    """G1, A7, B2: a disagreement MUST be told, and MUST NOT change the verdict."""
    assert judge(healthy(), scenario=SCENARIO).verdict.notes == ()

    disguised = judge(spoiled.without_scrape_of_one(healthy()), scenario=SCENARIO).verdict
    slow = judge(spoiled.slow_canary(healthy()), scenario=SCENARIO).verdict
    longer = judge(spoiled.long_stamps(healthy()), scenario=SCENARIO).verdict

    assert {disguised.state, slow.state, longer.state} == {State.PASS}
    assert "5 claims are in other buckets" in disguised.notes[0]
    assert "-5 more creations than bound claims" in disguised.notes[1]
    assert "watches are late by up to 300.0 ms (B2), not the generator" in slow.notes[0]
    assert any("took longer than the whole" in note for note in longer.notes)


def test_a_slower_arm_fails() -> None:
    """PERF-STAT-7: twice as slow MUST be REGRESSED, by median and P90; faster MUST pass, with a note."""
    found = judge(spoiled.slow_x2(paired()), compared=True)
    assert found.verdict.state is State.REGRESSED
    assert [one.code for one in found.verdict.reasons] == ["P50_SLOWER", "P90_SLOWER"]

    faster = judge(paired(factor=0.5), compared=True).verdict
    assert faster.state is State.PASS
    assert [note.split()[0] for note in faster.notes] == ["p50", "p90"]


def test_a_broken_comparison_is_invalid() -> None:
    """Pairs that are broken or too few MUST NOT be an answer."""
    few = judge(paired(pairs=4), compared=True).verdict

    assert (few.state, few.reasons[0].code) == (State.INVALID, "PAIRS")
    assert "4 pairs are too few" in few.text


def test_a_judgement_is_plain_in_a_summary() -> None:
    """summary.json: metrics, gates, budgets, comparison and verdict, each with its fields."""
    made = judge(spoiled.slow_x2(paired()), compared=True).as_json()

    assert sorted(made) == ["budgets", "comparison", "gates", "metrics", "verdict"]
    assert made["verdict"]["state"] == made["comparison"]["outcome"] == "REGRESSED"
    assert made["verdict"]["reasons"][0].keys() >= {"code", "text", "value", "limit", "n"}
    assert all(gate.keys() >= {"id", "value", "limit", "ok", "reason"} for gate in made["gates"])
    assert made["comparison"]["statistics"]["p90"]["deciding"] is True
