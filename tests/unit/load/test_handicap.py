"""A controller that is made slower by a known factor."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from fixtures.errors import StartError
from fixtures.load import artifacts
from fixtures.load.handicap import ASSIGNMENT, NOTHING, Handicap
from fixtures.load.records import RunResult
from tests.unit.load.results import healthy


class Measured:
    """A measurement whose blocks are those of a healthy run, one repetition each."""

    namespace = "load"

    def __init__(self, run: RunResult, active: list[Any]) -> None:
        self._run = run
        self._active = active
        #: What was held up in each block.
        self.met: list[Any] = []
        self._offered: list[Any] = []

    def block(self, number: int, arm: Any, *, counted: bool) -> None:
        self.met.append(list(self._active))
        repetition = self._run.repetitions[len(self._offered)]
        for claim in repetition.claims:
            claim.block = number
        self._offered.append(replace(repetition, block=number, counted=counted))

    def result(self) -> RunResult:
        return replace(self._run, repetitions=tuple(self._offered))


def stage(active: list[Any]) -> Any:
    """A testbed whose proxy notes the rules that are on."""

    @contextmanager
    def during(*rule: Any, **parameters: Any) -> Any:
        active.append((rule, parameters))
        yield
        active.pop()

    return SimpleNamespace(
        system=SimpleNamespace(proxy=SimpleNamespace(client=lambda: SimpleNamespace(during=during)))
    )


def test_adoptions_take_as_many_times_as_long(tmp_path: Any) -> None:
    """Each MUST be held up by what it usually takes times the factor less one, in the load's namespace."""
    active: list[Any] = []
    measured: Any = Measured(healthy(claims=9, median_s=0.08, spread=0.0), active)
    handicap = Handicap(stage(active), measured, 3)

    handicap.gauge(object())  # type: ignore[arg-type]
    assert handicap.delay_s == pytest.approx(0.16, rel=0.1)
    with handicap.applied():
        assert active == [(("slow", "load"), {"seconds": handicap.delay_s, **ASSIGNMENT})]
    assert active == []
    # The proxy's part in it costs time by itself: the usual latency and the other arm have it, too.
    for_nothing = [(("slow", "load"), {"seconds": NOTHING, **ASSIGNMENT})]
    assert measured.met == [for_nothing]
    with handicap.applied(slower=False):
        assert active == for_nothing
    # What showed the usual latency is kept with the rest, and does not count.
    artifacts.write_run(tmp_path / "run", measured.result())
    assert artifacts.load_run(tmp_path / "run").counted == ()


def test_without_a_factor_nothing_is_offered_or_held_up() -> None:
    """A controller as it is MUST be left as it is."""
    active: list[Any] = []
    measured: Any = Measured(healthy(), active)
    handicap = Handicap(stage(active), measured, 1)

    handicap.gauge(object())  # type: ignore[arg-type]
    with handicap.applied():
        assert active == []
    assert measured.result().repetitions == ()


def test_no_usual_latency_is_an_error() -> None:
    """Where no claim became Ready nothing can be made twice as slow."""
    run = healthy(claims=3)
    for claim in run.repetitions[0].claims:
        claim.t_ready_ns = None
    measured: Any = Measured(run, [])

    with pytest.raises(StartError, match="no claim of the block"):
        Handicap(stage([]), measured, 2).gauge(object())  # type: ignore[arg-type]
