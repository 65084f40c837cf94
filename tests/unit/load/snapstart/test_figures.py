"""What follows from the records of SnapStart."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fixtures.errors import UsageError
from fixtures.load.catalogue import Values
from fixtures.load.snapstart.figures import CATALOGUE, Measured
from fixtures.load.snapstart.records import SnapstartRun
from fixtures.load.snapstart.stages import STAGES, in_order
from fixtures.load.snapstart.tables import stages_table
from tests.unit.load.snapstart.runs import (
    AFTER,
    BEFORE,
    LOCAL,
    MIB,
    PAIRS,
    RESPONSE,
    USER,
    changed,
    failed_restores,
    fan_out,
    pairs,
    rebuilds,
    session,
    switched_off,
)

RUNS = (pairs(), fan_out(), failed_restores(), switched_off(), rebuilds())


def measure(run: SnapstartRun) -> dict[str, Values]:
    """All figures of a run."""
    return CATALOGUE.measure(Measured(run))


def value(run: SnapstartRun, key: str, statistic: str) -> float:
    """One figure of a run."""
    found = measure(run)[key][statistic].value
    assert found is not None
    return found


@pytest.mark.parametrize("preload", LOCAL)
def test_spans_of_a_session(preload: str) -> None:
    """On the node it counts from the annotation, elsewhere from the request; user is after the response."""
    cold, restored = LOCAL[preload]

    assert value(pairs(), "local", f"{preload}.cold.p50") == pytest.approx(cold)
    assert value(pairs(), "local", f"{preload}.restored.p95") == pytest.approx(restored)
    assert value(pairs(), "ready", f"{preload}.cold.p50") == pytest.approx(BEFORE + cold + AFTER)
    assert value(pairs(), "user", f"{preload}.restored.max") == pytest.approx(
        BEFORE + restored + AFTER + RESPONSE + USER
    )


@pytest.mark.parametrize("preload", LOCAL)
def test_speed_ups_are_ratios_of_medians(preload: str) -> None:
    """Cold / restored, so that more is better; P95 of restored ones against the median of cold ones."""
    cold, restored = LOCAL[preload]
    around = BEFORE + AFTER

    assert value(pairs(), "local_speedup", preload) == pytest.approx(cold / restored)
    assert value(pairs(), "local_speedup", f"{preload}.low") == pytest.approx(cold / restored)
    assert value(pairs(), "ready_speedup", preload) == pytest.approx((cold + around) / (restored + around))
    assert value(pairs(), "local_tail", preload) == pytest.approx(restored / cold)
    # What is around a session is the same for both, so that all of the saving arrives.
    assert value(pairs(), "arrived", preload) == pytest.approx(1.0)


def test_a_slow_pair_widens_the_interval() -> None:
    """One restore that took as long as a cold start MUST show in the interval, not only in the tail."""
    slow = [s for s in pairs().sessions if s.preload == "numpy" and s.asked == "restored"][0]
    made = pairs()
    place = made.sessions.index(slow)
    found = changed(made, place, t_answered=(slow.t_seen or 0.0) + 0.24)

    assert value(found, "local_tail", "numpy") == pytest.approx(1.0)
    assert value(found, "local_speedup", "numpy.low") < value(found, "local_speedup", "numpy")


def test_what_does_not_arrive_is_no_saving() -> None:
    """A restored session whose Ready is late by half of the saving MUST halve the share that arrives."""
    made = pairs()
    half = (LOCAL["numpy"][0] - LOCAL["numpy"][1]) / 2
    late = tuple(
        replace(s, t_ready=s.t_ready + half)
        if s.asked == "restored" and s.preload == "numpy" and s.t_ready
        else s
        for s in made.sessions
    )

    assert value(replace(made, sessions=late), "arrived", "numpy") == pytest.approx(0.5)


def test_a_round_that_was_set_aside_is_not_counted() -> None:
    """Its sessions MUST NOT be in any figure."""
    made = pairs()
    first, *others = made.rounds
    found = replace(made, rounds=(replace(first, counted=False), *others))

    assert measure(found)["local"]["numpy.cold.p50"].n == PAIRS - 1
    assert measure(found)["local_speedup"]["numpy"].n == PAIRS - 1


def test_half_a_pair_is_no_pair() -> None:
    """A session without its other half MUST be left out of ratios."""
    made = pairs()
    cold = next(i for i, s in enumerate(made.sessions) if s.preload == "numpy" and s.asked == "cold")
    found = changed(made, cold, t_seen=None)

    assert measure(found)["local_speedup"]["numpy"].n == PAIRS - 1
    assert measure(found)["local_speedup"]["heavy"].n == PAIRS


def test_stages_add_up_to_the_whole() -> None:
    """Every moment of a session MUST belong to one stage."""
    one = session(1, 10.0)
    assert one.t_user is not None
    found = [stage.seconds(one) or 0.0 for stage in STAGES]

    assert sum(found) == pytest.approx(one.t_user - one.t_asked)
    assert value(pairs(), "stage", "heavy.cold.start") == pytest.approx(0.8 * LOCAL["heavy"][0])
    text = stages_table(Measured(pairs()))
    assert "| restored, or started and loaded (t2 to t3) | 64.0 (53%) |" in text


@pytest.mark.parametrize("name", ["t_seen", "t_started", "t_accepted", "t_answered"])
def test_instants_on_the_node_are_in_order(name: str) -> None:
    """One that is missing, or before the one that it follows, MUST be noticed."""
    one = session(1, 10.0)
    assert in_order(one)
    assert not in_order(replace(one, **{name: None}))
    assert not in_order(replace(one, **{name: 99.0 if name != "t_answered" else 1.0}))


def test_what_a_snapshot_costs() -> None:
    """Build time, memory, and after how many sessions its time is saved."""
    assert value(pairs(), "build", "heavy") == 3.0
    assert value(pairs(), "artifact", "heavy.pss") == 40 * MIB
    assert value(pairs(), "break_even", "heavy") == 2


def test_no_saving_never_breaks_even() -> None:
    """Where a restore takes longer the number MUST be said to be never reached."""
    made = pairs()
    slow = tuple(replace(s, t_ready=s.t_asked + 9) if s.asked == "restored" else s for s in made.sessions)
    found = measure(replace(made, sessions=slow))["break_even"]["numpy"]

    assert (found.value, found.never) == (None, True)


def test_many_at_once() -> None:
    """Wall time is until the last answer; memory is that of the round; each size and way for itself."""
    around = BEFORE + AFTER + RESPONSE

    assert value(fan_out(), "fan_wall", "n10.cold") == pytest.approx(10 * LOCAL["numpy"][0] + around)
    assert value(fan_out(), "fan_wall", "n10.restored") == pytest.approx(LOCAL["numpy"][1] + around)
    assert value(fan_out(), "fan_pss", "n1.cold") == 100 * MIB
    assert value(fan_out(), "fan_witnessed", "n10.restored") == 1.0


def test_a_missing_answer_leaves_no_wall_time() -> None:
    """A fan-out of which one session came to nothing MUST NOT look fast."""
    made = fan_out()
    found = changed(made, len(made.sessions) - 1, t_response=None, status=504, right=False)

    assert measure(found)["fan_wall"]["n10.restored"].value is None
    assert value(found, "fan_witnessed", "n10.restored") == pytest.approx(0.9)
    assert value(found, "failures", "total") == 1


def test_a_failed_restore_is_told_in_its_limits() -> None:
    """What it adds to a cold session, as a multiple of the limit."""
    assert value(failed_restores(1.02), "failed_restore_limits", "value") == pytest.approx(1.02)
    assert value(failed_restores(2.5), "failed_restore_limits", "value.high") == pytest.approx(2.5)


def test_switched_off() -> None:
    """Sessions against Sandboxes that are made past the front."""
    whole = BEFORE + LOCAL["numpy"][0] + AFTER

    assert value(switched_off(), "off_ratio", "value") == pytest.approx(1.0)
    assert value(switched_off(0.15), "off_ratio", "value.low") == pytest.approx((whole + 0.15) / whole)


def test_rebuilds_and_changes() -> None:
    """How sessions started, and how long none was restored after the change."""
    made = rebuilds()

    assert value(made, "rebuild", "cold") == 0
    assert value(made, "rebuild", "keys") == 2
    assert (value(made, "change", "cold"), value(made, "change", "stale")) == (1, 0)
    assert value(made, "change", "window") == pytest.approx(2.0 + 0.012 + BEFORE + AFTER + RESPONSE)


def test_a_stale_key_counts_from_the_change_on() -> None:
    """A session that was asked for after the change MUST NOT have a key from before it."""
    made = rebuilds()
    stale = changed(made, 3, key="numpy-2", boot_id="boot-numpy-2", preload_ns=77)

    assert value(stale, "change", "stale") == 1
    assert value(stale, "rebuild", "cold") == 0


@pytest.mark.parametrize("run", RUNS, ids=lambda run: run.scenario)
def test_every_statistic_is_one_of_the_catalogue(run: SnapstartRun) -> None:
    """What budgets may name and what is measured MUST agree, besides what says why there is nothing."""
    for key, values in measure(run).items():
        there = {s for s, v in values.items() if v.value is not None}
        assert there <= {*CATALOGUE[key].statistics}, key


def test_an_unknown_metric_is_named_with_the_nearest() -> None:
    """A misspelt metric MUST be an error of usage."""
    with pytest.raises(UsageError, match="did you mean 'local_speedup'"):
        CATALOGUE.metric("local_spedup")
