"""Interleaved blocks, the rule that judges their ratios, and how sure it is."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace

import pytest

from fixtures.load.comparison import (
    DECIDING,
    FEWEST_PAIRS,
    Block,
    Outcome,
    Plan,
    Slot,
    block_figures,
    block_order,
    blocks_of,
    compare,
    outcome_of,
    repairings,
)
from fixtures.load.simulation import shares
from fixtures.load.statistics import Ratio
from fixtures.load.verdict import State
from tests.unit.load import spoiled
from tests.unit.load.results import healthy, paired


def ratio(value: float, low: float, high: float) -> Ratio:
    """A ratio with this interval."""
    return Ratio(value, low, high, scatter=0.05, pairs=6, detectable=0.07)


def blocks(ratios: list[float], **others: list[float]) -> list[Block]:
    """Pairs of blocks whose median and P90 have these ratios, unless others are named."""
    made = []
    for number, factor in enumerate(ratios):
        figures = {"p50": factor, "p90": factor} | {name: values[number] for name, values in others.items()}
        made.append(Block(number, "a", 100, dict.fromkeys(figures, 1.0)))
        made.append(Block(number, "b", 100, figures))
    return made


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("pairs", [5, 6])
def test_blocks_are_in_abba_or_baab_order(seed: int, pairs: int) -> None:
    """PERF-STAT-1: each pair has both arms, and in each four blocks no arm is earlier than the other."""
    order = block_order(pairs, seed)

    assert order == block_order(pairs, seed), "the seed alone decides"
    assert [slot.block for slot in order] == [number // 2 for number in range(2 * pairs)]
    for number in range(0, 2 * pairs - 3, 4):
        assert "".join(slot.arm for slot in order[number : number + 4]) in ("abba", "baab")
    for number in range(0, 2 * pairs, 2):
        assert {slot.arm for slot in order[number : number + 2]} == {"a", "b"}


def test_either_order_occurs() -> None:
    """The seed MUST decide which arm is first."""
    assert {block_order(6, seed)[0].arm for seed in range(20)} == {"a", "b"}
    with pytest.raises(ValueError, match="no pairs"):
        block_order(0, 1)


@pytest.mark.parametrize(
    ("found", "outcome"),
    [
        (ratio(1.30, 1.20, 1.40), Outcome.REGRESSED),
        (ratio(1.12, 1.01, 1.24), Outcome.REGRESSED),
        (ratio(1.09, 1.02, 1.16), Outcome.INCONCLUSIVE),
        (ratio(1.10, 1.02, 1.19), Outcome.INCONCLUSIVE),
        (ratio(1.30, 0.99, 1.70), Outcome.INCONCLUSIVE),
        (ratio(1.02, 1.01, 1.03), Outcome.PASS),
        (ratio(1.00, 0.91, 1.10), Outcome.PASS),
        (ratio(1.00, 0.90, 1.11), Outcome.INCONCLUSIVE),
        (ratio(0.95, 0.92, 0.98), Outcome.PASS),
        (ratio(0.80, 0.70, 0.92), Outcome.IMPROVED),
        (ratio(0.80, 0.62, 1.04), Outcome.PASS),
    ],
)
def test_the_rule(found: Ratio, outcome: Outcome) -> None:
    """PERF-STAT-3: beyond chance and beyond the tolerated 10 %; a pass has to be shown; the rest is open."""
    assert outcome_of(found, 0.10) is outcome


def test_the_rule_is_symmetric() -> None:
    """What is REGRESSED MUST be IMPROVED with the arms swapped, and the other way round."""
    chance = random.Random(1)
    seen = Counter()
    for _ in range(200):
        middle = chance.choice((-0.3, 0, 0.3))
        factors = [chance.lognormvariate(middle, 0.1) for _ in range(6)]
        there = compare(blocks(factors)).outcome
        back = compare(blocks([1 / factor for factor in factors])).outcome
        seen[there] += 1
        assert (there is Outcome.REGRESSED) == (back is Outcome.IMPROVED)
        assert (there is Outcome.IMPROVED) == (back is Outcome.REGRESSED)
    assert min(seen[Outcome.REGRESSED], seen[Outcome.IMPROVED]) > 10, "the case occurs"


@pytest.mark.parametrize(
    ("p50", "p90", "outcome"),
    [
        (1.0, 1.0, Outcome.PASS),
        (1.5, 1.0, Outcome.REGRESSED),
        (1.0, 1.5, Outcome.REGRESSED),
        (0.5, 1.5, Outcome.REGRESSED),
        (0.5, 1.0, Outcome.IMPROVED),
    ],
)
def test_median_and_p90_decide_together(p50: float, p90: float, outcome: Outcome) -> None:
    """One that regressed is enough; one that improved is worth a note and no more."""
    wobble = [1.0, 1.01, 0.99, 1.0, 1.02, 0.98]
    found = compare(blocks([p50 * w for w in wobble], p90=[p90 * w for w in wobble]))

    assert found.outcome is outcome


def test_an_open_question_outweighs_an_improvement() -> None:
    """If one statistic is open the comparison MUST be open."""
    found = compare(blocks([0.5] * 6, p90=[0.5, 2.0, 0.6, 1.8, 1.0, 1.1]))

    assert found.outcome is Outcome.INCONCLUSIVE
    [reason] = found.reasons()
    assert (reason.state, reason.code) == (State.INCONCLUSIVE, "P90_OPEN")
    assert "would have been found" in reason.text


def test_p99_and_the_whole_time_do_not_decide() -> None:
    """PERF-STAT-4: P99 and A9 are trends; a tenfold one alone MUST NOT decide."""
    found = compare(blocks([1.0] * 6, p99=[10.0] * 6, time_to_all_ready=[10.0] * 6))

    assert found.outcome is Outcome.PASS
    assert {judged.statistic for judged in found.judged if judged.deciding} == set(DECIDING) == {"p50", "p90"}
    assert [judged.statistic for judged in found.judged] == ["p50", "p90", "p99", "time_to_all_ready"]
    assert found.table().count("trend only") == 2


def test_p99_of_a_block_needs_300_samples() -> None:
    """PERF-MET-2 holds for trends, too."""
    assert "p99" not in block_figures([1.0] * 299)
    assert "p99" in block_figures([1.0] * 300)


def test_blocks_are_read_from_a_run() -> None:
    """Only counted repetitions MUST count, each in its pair and arm."""
    run = paired(pairs=5, claims=20)
    found = blocks_of(run)

    assert [(block.block, block.arm, block.n) for block in found] == [
        (number, arm, 20) for number in range(5) for arm in "ab"
    ]
    assert found[0].figures.keys() == {"p50", "p90", "p95", "time_to_all_ready"}


def test_flagged_stamps_do_not_compare() -> None:
    """A claim seen late through a gap MUST NOT slow its block down."""
    found = blocks_of(spoiled.flagged(paired(pairs=5, claims=20), 19))

    assert {block.n for block in found} == {19}
    assert max(block.figures["p95"] for block in found) < 1


@pytest.mark.parametrize(
    ("spoil", "complaint"),
    [
        (lambda run: healthy(), "of arm '', not of a or b"),
        (lambda run: replace(run, repetitions=run.repetitions[:-2]), r"pairs \[4\] lack a block"),
        (lambda run: replace(run, repetitions=run.repetitions[4:]), "4 pairs are too few"),
        (
            lambda run: replace(
                run, repetitions=(*run.repetitions[:-1], replace(run.repetitions[-1], claims=()))
            ),
            "block 4 of arm b has no samples",
        ),
    ],
)
def test_a_pair_that_broke_does_not_vanish(spoil, complaint: str) -> None:  # type: ignore[no-untyped-def]
    """Whatever is missing, the comparison MUST be refused."""
    with pytest.raises(ValueError, match=complaint):
        compare(blocks_of(spoil(paired(pairs=5, claims=20))))


def test_a_block_may_not_be_there_twice() -> None:
    """Two blocks of one pair and arm are a mistake."""
    with pytest.raises(ValueError, match="the same pair and arm"):
        compare([*blocks([1.0] * 6), blocks([1.0])[0]])


def test_one_extension_if_it_was_declared() -> None:
    """PERF-STAT-3: as many pairs again, once, for an open question only, and only if declared before."""
    wild = [0.5, 2.0, 0.6, 1.8, 1.0, 1.1]
    open_, shut = compare(blocks(wild)), compare(blocks([1.0] * 6))
    plan = Plan(seed=1, extension=True)
    more = plan.more(open_)

    assert len(plan.order()) == len(more) == 12
    assert [slot.block for slot in more] == [6 + number // 2 for number in range(12)]
    assert plan.more(shut) == ()
    assert Plan(seed=1).more(open_) == ()
    assert plan.more(compare(blocks(wild * 2))) == (), "there is only one"


@pytest.mark.parametrize(("pairs", "tolerated"), [(FEWEST_PAIRS - 1, 0.1), (6, 0.0), (6, 1.0)])
def test_plans_that_cannot_be_meant(pairs: int, tolerated: float) -> None:
    """Too few pairs, and a tolerance that is no share, MUST be refused."""
    with pytest.raises(ValueError, match=r"pairs are too few|a share between"):
        Plan(seed=1, pairs=pairs, tolerated=tolerated)


def test_slots_are_values() -> None:
    """A slot is its pair and its arm."""
    assert Slot(1, "a") == Slot(1, "a") != Slot(1, "b")


def test_random_re_pairings_of_one_controller_are_quiet() -> None:
    """PERF-STAT-7: with both arms the same, less than 5 % of 1,000 re-pairings may be REGRESSED."""
    found = repairings(blocks_of(paired(pairs=8, claims=100, run_effect=0.05)), 1000, seed=1)

    assert found[Outcome.REGRESSED] <= 0.05
    assert sum(found.values()) == pytest.approx(1)


def test_re_pairings_can_be_loud() -> None:
    """The control MUST be able to fail: under a rule that forgets chance a third of them is REGRESSED."""
    made = blocks_of(paired(pairs=6, claims=30, run_effect=0.3))
    naive = Counter()
    chance = random.Random(1)
    order = [block.figures["p90"] for block in made]
    for _ in range(200):
        chance.shuffle(order)
        middle = [sum(half) / 6 for half in (order[:6], order[6:])]
        naive[middle[1] > 1.1 * middle[0]] += 1

    assert naive[True] / 200 > 0.15 > 0.05 >= repairings(made, 200, seed=1)[Outcome.REGRESSED]


@pytest.mark.parametrize(("count", "times"), [(11, 10), (12, 0)])
def test_re_pairings_need_pairs(count: int, times: int) -> None:
    """An odd number of blocks, or no times at all, MUST be refused."""
    with pytest.raises(ValueError, match="cannot be paired"):
        repairings(blocks([1.0] * 6)[:count], times, seed=1)


@pytest.mark.parametrize("run_effect", [0.0, 0.10])
def test_the_rule_is_quiet_and_finds_what_is_large(run_effect: float) -> None:
    """False alarms MUST be rare and a doubling found, with run effects up to 10 %; by simulation."""
    same = shares(ratio=1.0, run_effect=run_effect, trials=200)
    double = shares(ratio=2.0, run_effect=run_effect, trials=100)
    half = shares(ratio=0.5, run_effect=run_effect, trials=100)

    assert same[Outcome.REGRESSED] <= 0.10, "1 to 3 % in 1,000 trials"
    assert double[Outcome.REGRESSED] >= 0.95
    assert half[Outcome.IMPROVED] >= 0.95


def test_more_pairs_are_surer() -> None:
    """Power MUST grow with pairs, and an extension MUST close open questions."""
    open_, extended = (
        shares(ratio=1.0, run_effect=0.05, trials=150, extension=extension)[Outcome.INCONCLUSIVE]
        for extension in (False, True)
    )

    assert extended < open_ - 0.15, "0.81 and 0.45 in 1,000 trials"
    with pytest.raises(ValueError, match="no trials"):
        shares(ratio=1.0, run_effect=0.0, trials=0)


def test_simulation_is_seeded() -> None:
    """The same seed MUST give the same shares, another one others."""
    first, again, other = (shares(ratio=1.1, run_effect=0.1, trials=60, seed=seed) for seed in (1, 1, 2))

    assert first == again != other
