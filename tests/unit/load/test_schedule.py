"""Schedules: absolute instants, seeds, shards, and a text that says all of it."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fixtures.errors import UsageError
from fixtures.load.schedule import SECOND, Closed, Schedule, burst, closed, constant, parse, poisson


def test_constant_arrivals_do_not_add_up_rounding() -> None:
    """The k-th claim MUST be due at k / rate, however many there are."""
    schedule = constant(3, 3001)

    assert schedule.offsets_ns[:4] == (0, 333_333_333, 666_666_667, SECOND)
    assert schedule.offsets_ns[3000] == 1000 * SECOND
    assert schedule.indices == tuple(range(3001))
    assert schedule.span_s == 1000.0
    assert str(schedule) == "constant(3/s, 3001)"


def test_a_poisson_schedule_has_its_number_and_follows_its_seed() -> None:
    """round(rate * seconds) claims MUST come, ascending within the time, the same for the same seed."""
    schedule = poisson(45, 60, seed=7)

    assert len(schedule) == 2700
    assert list(schedule.offsets_ns) == sorted(schedule.offsets_ns)
    assert 0 <= schedule.offsets_ns[0] < schedule.offsets_ns[-1] < 60 * SECOND
    assert schedule == poisson(45, 60, seed=7)
    assert schedule.offsets_ns != poisson(45, 60, seed=8).offsets_ns
    assert len(poisson(0.5, 5, seed=1)) == round(2.5)


def test_the_gaps_of_a_poisson_schedule_are_exponential() -> None:
    """A share of about 1 - 1/e of the gaps MUST be shorter than the mean: even spacing would be 0 or 1."""
    offsets = poisson(100, 100, seed=1).offsets_ns
    gaps = [b - a for a, b in zip(offsets, offsets[1:], strict=False)]

    shorter = sum(gap < SECOND / 100 for gap in gaps) / len(gaps)

    assert 0.61 < shorter < 0.66


def test_a_burst_is_one_instant() -> None:
    """All claims of a burst MUST be due at once."""
    assert burst(3).offsets_ns == (0, 0, 0)
    assert burst(3).span_s == 0.0


@pytest.mark.parametrize(
    "text",
    [
        "constant(10/s, 100)",
        "constant(0.5/s, 3, dwell=10s)",
        "constant(33.3333333333/s, 1000)",
        "poisson(45/s, 60s, seed=7)",
        "poisson(0.25/s, 12.5s, seed=0, dwell=0.5s)",
        "burst(300)",
        "burst(1, dwell=0s)",
        "closed(20, 60s)",
        "closed(20, 60s, dwell=1s)",
        "closed(20, 5 rounds, dwell=0.25s)",
    ],
)
def test_the_text_of_a_schedule_reads_back(text: str) -> None:
    """What `str` writes, `parse` MUST read as the same schedule."""
    assert str(parse(text)) == text
    assert parse(str(parse(text))) == parse(text)
    assert Schedule.parse(text) == parse(text)


def test_the_text_of_any_rate_gives_the_same_instants() -> None:
    """Rates that have no short decimal form MUST come back to the nanosecond over some minutes."""
    schedule = constant(1 / 3, 100)

    assert parse(str(schedule)).offsets_ns == pytest.approx(schedule.offsets_ns, abs=1)  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("constnat(10/s, 100)", "unknown schedule 'constnat'; did you mean 'constant'?"),
        ("constant(10, 100)", "cannot be read. It is written like constant(10/s, 100)"),
        ("constant(10/s, 100", "cannot be read"),
        ("constant(0/s, 100)", "the rate of a schedule is 0.0; it must be above 0"),
        ("constant(10/s, 0)", "the number of claims of a schedule is 0; it must be above 0"),
        ("poisson(45/s, 60s)", "It is written like poisson(45/s, 60s, seed=7)"),
        ("poisson(0.1/s, 1s, seed=1)", "has no claim"),
        ("burst(-3)", "cannot be read"),
        ("closed(20)", "cannot be read"),
        ("closed(0, 60s)", "the number of slots of a schedule is 0"),
        ("", "unknown schedule ''"),
    ],
)
def test_a_wrong_text_is_a_usage_error(text: str, complaint: str) -> None:
    """A text that means nothing MUST be refused, saying what was meant or how it is written."""
    with pytest.raises(UsageError) as error:
        parse(text)
    assert complaint in str(error.value)


def test_a_closed_loop_needs_one_end() -> None:
    """Neither or both of seconds and rounds MUST be refused."""
    for ends in ({}, {"seconds": 1.0, "rounds": 1}):
        with pytest.raises(UsageError, match="give one of the two"):
            closed(2, **ends)
    with pytest.raises(UsageError, match="a dwell of -1 s"):
        burst(1, dwell=-1)


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    of=st.integers(1, 7),
    schedule=st.one_of(
        st.builds(constant, st.floats(0.1, 500), st.integers(1, 60)),
        st.builds(poisson, st.floats(5, 50), st.floats(1, 3), st.integers(0, 9)),
    ),
)
def test_shards_are_the_whole(of: int, schedule: Schedule) -> None:
    """The shards together MUST be the schedule: each claim once, at its instant, with its number."""
    parts = [schedule.shard(index, of) for index in range(of)]

    together = sorted(pair for part in parts for pair in zip(part.indices, part.offsets_ns, strict=True))

    assert together == list(enumerate(schedule.offsets_ns))
    assert {str(part) for part in parts} == {str(schedule)}


def test_an_empty_shard_stays_empty() -> None:
    """A shard without a claim MUST NOT number claims anew."""
    assert burst(1).shard(1, 2).indices == ()
    with pytest.raises(ValueError, match="no shard 2 of 2"):
        burst(1).shard(2, 2)


def test_shards_of_a_closed_loop_share_its_slots() -> None:
    """Slots MUST keep their numbers, from which the numbers of their claims follow."""
    first, second = (closed(3, rounds=2).shard(index, 2) for index in range(2))

    assert (first.slots, first.numbers, first.stride) == (2, (0, 2), 3)
    assert (second.slots, second.numbers, second.stride) == (1, (1,), 3)
    assert str(first) == "closed(3, 2 rounds)"
    assert isinstance(first, Closed)
    with pytest.raises(ValueError, match="no slot for shard 3 of 4"):
        closed(3, rounds=2).shard(3, 4)
