"""What becomes of a repetition that the machine disturbed: it is set aside before anybody looks at it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any, cast

import pytest

from fixtures.limits import Limits
from fixtures.load import artifacts
from fixtures.load.arms import Arm
from fixtures.load.disturbance import disturbances
from fixtures.load.judgement import judge
from fixtures.load.measurement import Measurement
from fixtures.load.records import Noise, Repetition
from fixtures.load.scenario import Scenario
from fixtures.load.schedule import constant
from fixtures.load.verdict import State
from tests.unit.load.results import healthy

STOLEN = {"steal": 0.2}


class IdleArm:
    """A controller that takes no claims; it is only started."""

    def start(self, flags: object) -> None:
        """Nothing to do."""


class Played(Measurement):
    """A measurement whose repetitions have happened already: each offer takes the next."""

    def __init__(self, repetitions: Iterable[Repetition], scenario: Scenario) -> None:
        nowhere = cast(Any, None)
        super().__init__(nowhere, Limits(), scenario, [], run_id="played", seed=1, calibration={})
        self._next = iter(repetitions)

    def _offer(self, *_: Any, counted: bool, **__: Any) -> None:
        self._repetitions.append(replace(next(self._next), rep=len(self._repetitions), counted=counted))

    def offered(self) -> list[Repetition]:
        """What there was, in order."""
        self.block(0, cast(Arm, IdleArm()))
        return self._repetitions


def played(*noises: dict[str, float], repetitions: int = 2, spare: int = 2) -> list[Repetition]:
    """The repetitions of one block on a machine that was so noisy, the one that warms up first."""
    usual = healthy(repetitions=len(noises)).repetitions
    noisy = [
        usual[0],
        *(replace(r, noise=replace(r.noise, **n)) for r, n in zip(usual[1:], noises, strict=True)),
    ]
    scenario = Scenario("played", constant(10, 100), pool=100, repetitions=repetitions, spare=spare)
    return Played(noisy, scenario).offered()


def fates(repetitions: Iterable[Repetition]) -> list[str]:
    return ["aside" if r.set_aside else "counted" if r.counted else "warm-up" for r in repetitions]


def test_a_disturbed_repetition_is_offered_again() -> None:
    """What the machine disturbed MUST NOT count, and MUST be offered again; the rest MUST stay as it is."""
    assert fates(played({}, STOLEN, {})) == ["warm-up", "counted", "aside", "counted"]


def test_not_for_ever() -> None:
    """When no spare one is left the disturbed repetition MUST count, for the gates to see."""
    assert fates(played(STOLEN, STOLEN, {}, STOLEN)) == ["warm-up", "aside", "aside", "counted", "counted"]


def test_what_only_shows_the_usual_latency_is_never_offered_again() -> None:
    """A block that does not count MUST NOT use up what is spare."""
    measurement = Played(
        [replace(r, noise=replace(r.noise, **STOLEN)) for r in healthy(repetitions=1).repetitions],
        Scenario("played", constant(10, 100), pool=100, repetitions=1),
    )
    measurement.block(0, cast(Arm, IdleArm()), counted=False)

    assert fates(measurement._repetitions) == ["warm-up", "warm-up"]


@pytest.mark.parametrize(
    ("noise", "sentence"),
    [
        ({"steal": 0.031}, "0.031 of the CPU time was stolen, at most 0.03"),
        ({"foreign": 0.11}, "0.110 of the CPU time was others', at most 0.1"),
        ({"clock_jump_s": 0.06}, "0.060 s was the jump of the wall clock, at most 0.05"),
        ({"longest_pause_s": 0.2}, "0.200 s was the longest pause of the process, at most 0.1"),
    ],
    ids=["steal", "foreign", "clock", "pause"],
)
def test_each_kind_of_disturbance_is_named(noise: dict[str, float], sentence: str) -> None:
    """Each limit MUST be seen by itself, and the limit itself is none."""
    quiet = Noise(steal=0.03, foreign=0.1, iowait=1.0, clock_jump_s=0.05, longest_pause_s=0.1)
    usual = replace(healthy().repetitions[1], noise=quiet)

    assert disturbances(usual) == ()
    assert disturbances(replace(usual, noise=replace(quiet, **noise))) == (sentence,)


def test_a_watch_that_broke_is_a_disturbance() -> None:
    """Claims that came through a gap have late stamps: their repetition MUST NOT count."""
    usual = healthy().repetitions[1]
    broken = replace(usual, instrument=replace(usual.instrument, disconnects=1, gap_s=0.083))

    assert disturbances(broken) == ("a watch was interrupted, for 0.083 s",)


def test_latency_is_no_reason() -> None:
    """A slow repetition on a quiet machine MUST count, or slow controllers would be measured until fast."""
    slow = healthy(repetitions=1, median_s=5.0).repetitions
    measurement = Played(slow, Scenario("played", constant(10, 100), pool=100, repetitions=1))

    assert fates(measurement.offered()) == ["warm-up", "counted"]


def test_the_verdict_says_what_it_leaves_out(tmp_path: Any) -> None:
    """What was set aside MUST be kept, read back, and told beside the verdict."""
    run = healthy()
    repetitions = list(run.repetitions)
    disturbed = replace(repetitions[2], noise=replace(repetitions[2].noise, **STOLEN))
    reason = disturbances(disturbed)
    repetitions[2] = replace(disturbed, counted=False, set_aside=reason)
    with artifacts.kept(tmp_path / "run", lambda: replace(run, repetitions=tuple(repetitions))):
        pass
    found = artifacts.load_run(tmp_path / "run")

    assert found.repetitions[2].set_aside == reason
    assert len(found.counted) == len(run.counted) - 1
    [note] = judge(found, compared=False).verdict.notes
    assert note == (
        "repetition 2 was set aside and offered again: 0.200 of the CPU time was stolen, at most 0.03"
    )
    assert judge(found).verdict.state is State.INVALID  # neither budget nor comparison
