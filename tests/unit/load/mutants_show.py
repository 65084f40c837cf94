"""Wrong guards, a replay by a real clock, artifacts that say more than was measured: each must be noticed."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from fixtures.load import artifacts, framed, readings, summary
from fixtures.load.guards import Guards
from fixtures.load.statistics import Quantile, quantile
from fixtures.load.virtualclock import VirtualClock
from tests.unit.load.mutants import Fired, Mutant


def off(name: str, instead: object) -> Callable[[], AbstractContextManager[Fired]]:
    """The lie that one guard is switched off: its method does nothing and gives `instead`."""

    @contextmanager
    def lie() -> Iterator[Fired]:
        fired = Fired()

        def nothing(self: Guards, *_: object) -> object:
            fired()
            return instead

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Guards, name, nothing)
            yield fired

    return lie


@contextmanager
def always_saves() -> Iterator[Fired]:
    """Every run becomes a baseline if it was asked for, whatever its verdicts."""
    fired = Fired()

    def save(self: Guards, config: Any, exitstatus: int, folder: Path) -> str:
        config._benchmarksession.save = self.options.save
        fired()
        return ""

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Guards, "save", save)
        yield fired


@contextmanager
def real_timer() -> Iterator[Fired]:
    """The replay's clock is the machine's."""
    fired = Fired()

    def now(self: VirtualClock) -> float:
        fired()
        return time.perf_counter()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(VirtualClock, "__call__", now)
        yield fired


@contextmanager
def takes_what_is_there() -> Iterator[Fired]:
    """A file of records is taken for whole, however it ends."""
    fired = Fired()

    def read(file: Path, schema: str) -> Iterator[dict[str, Any]]:
        fired()
        try:
            yield from framed.read(file, schema)
        except framed.Damaged:
            return

    class Lenient:
        write = staticmethod(framed.write)

    Lenient.read = staticmethod(read)  # type: ignore[attr-defined]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(artifacts, "framed", Lenient)
        yield fired


@contextmanager
def publishes_interpolated() -> Iterator[Fired]:
    """The summary holds interpolated percentiles: numbers that are none of the samples."""
    fired = Fired()
    honest = summary.write_summary

    def interpolated(samples: Sequence[float], p: int) -> Quantile:
        ordered, place = sorted(samples), (len(samples) - 1) * p / 100
        low, high = ordered[math.floor(place)], ordered[math.ceil(place)]
        fired()
        told = quantile(samples, p)
        return Quantile(low + (high - low) * (place % 1), told.n, told.interval)

    def write(*arguments: Any) -> Any:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(readings, "quantile", interpolated)
            return honest(*arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tests.unit.load.test_summary.write_summary", write)
        yield fired


MUTANTS: dict[str, Mutant] = {
    "art-truncate": Mutant(takes_what_is_there, ("test_artifacts.test_what_was_cut_off_is_invalid",)),
    "bench-guard-off-1": Mutant(off("collected", []), ("test_guards.test_disabled_benchmarks_are_refused",)),
    "bench-guard-off-2": Mutant(off("configure", None), ("test_guards.test_autosave_is_refused",)),
    "bench-guard-off-3": Mutant(
        off("compare", None),
        (
            "test_guards.test_a_baseline_of_another_machine_is_refused",
            "test_guards.test_a_baseline_of_no_known_machine_is_refused",
        ),
    ),
    "bench-guard-off-4": Mutant(
        off("called", None), ("test_guards.test_a_test_that_the_baseline_lacks_fails",)
    ),
    "bench-guard-off-5": Mutant(always_saves, ("test_guards.test_a_missed_budget_becomes_no_baseline",)),
    "bench-guard-off-6": Mutant(
        off("called", None),
        (
            "test_guards.test_a_replay_without_a_verdict_is_invalid",
            "test_guards.test_a_verdict_without_a_replay_is_invalid",
        ),
    ),
    "bench-real-timer": Mutant(real_timer, ("test_replay.test_what_is_stored_is_what_was_replayed",)),
    "pct-interp": Mutant(
        publishes_interpolated, ("test_summary.test_every_number_follows_from_the_records",)
    ),
}
