"""The self-calibration itself, on the fake server: what is offered, and what comes of generators that lie."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fixtures.kube.connection import Connection
from fixtures.load import calibrating
from fixtures.load.calibrating import calibrate, calibrate_shapes, own_generator, rate_of, shape_of
from fixtures.load.fakeserver import FakeServer
from fixtures.load.records import Repetition
from fixtures.load.schedule import Schedule, burst, closed, constant, poisson
from fixtures.load.threads import threads_generator
from fixtures.load.tracker import Tracker
from tests.unit.load.reports import assessed, load

SMALL = constant(100, 10)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FakeServer]:
    with FakeServer(tmp_path_factory.mktemp("fake")) as running:
        yield running


@pytest.mark.parametrize(
    ("rate", "offered"),
    [
        pytest.param(300, 601, id="two seconds"),
        pytest.param(20, 100, id="a hundred claims"),
        pytest.param(1, 11, id="ten seconds"),
    ],
)
def test_a_long_schedule_is_calibrated_by_its_beginning(rate: float, offered: int) -> None:
    """The beginning MUST be offered as it is, without dwelling: enough claims, and not too long."""
    shape = shape_of(constant(rate, 6000, dwell=5))
    assert str(shape) == f"first {offered} of constant({rate:g}/s, 6000, dwell=5s)"
    assert shape.offsets_ns == constant(rate, offered).offsets_ns
    assert shape.indices == tuple(range(offered))
    assert rate_of(shape) == pytest.approx(rate)
    assert shape.dwell is None


def test_a_short_schedule_is_calibrated_whole() -> None:
    """What is short enough MUST be offered whole; a Poisson process keeps the instants that were drawn."""
    assert shape_of(constant(300, 300)) == constant(300, 300)
    drawn = poisson(100, 60, seed=1)
    assert shape_of(drawn).offsets_ns == drawn.offsets_ns[: len(shape_of(drawn))]


def test_what_comes_at_once_is_calibrated_at_once() -> None:
    """A burst MUST stay whole and has no rate; a closed loop is a burst of its slots."""
    assert shape_of(burst(30)) == burst(30)
    assert rate_of(burst(30)) is None
    assert shape_of(closed(20, rounds=5)) == burst(20)


def test_every_shape_is_offered_once_and_slow_ones_first(tmp_path: Path) -> None:
    """The result MUST hold each shape with its figures, and those of the machine."""
    found = calibrate([burst(5), constant(200, 10), SMALL, SMALL], tmp_path)
    assert [(s.shape, s.n, s.missing) for s in found.shapes] == [
        ("constant(100/s, 10)", 10, 0),
        ("constant(200/s, 10)", 10, 0),
        ("burst(5)", 5, 0),
    ]
    for shape in found.shapes:
        assert shape.figures["true_p50_s"] >= 0.05
        assert shape.figures["reported_p50_s"] > shape.figures["true_p50_s"]
        assert shape.figures["error_p50_s"] > shape.figures["watch_lag_p50_s"] > 0
        assert shape.figures["cpu_per_claim_s"] > 0
    assert min(found.cpu_loop_s, found.version_p50_s) > 0
    assert 0 <= found.noise.foreign <= 1


def test_a_calibration_needs_a_schedule(tmp_path: Path) -> None:
    """Nothing to offer MUST be an error, not a certificate."""
    with pytest.raises(ValueError, match="at least one schedule"):
        calibrate([], tmp_path)
    with pytest.raises(ValueError, match="has no claim"):
        shape_of(constant(10, 1).shard(1, of=2))


@pytest.mark.parametrize(
    ("late_ms", "attempts", "ok"),
    [
        pytest.param([1.0], 1, True, id="at once"),
        pytest.param([90.0, 1.0], 2, True, id="after a hiccup"),
        pytest.param([90.0, 90.0, 90.0], 3, False, id="never"),
    ],
)
def test_a_hiccup_is_forgiven_and_a_slow_generator_is_not(
    late_ms: list[float], attempts: int, ok: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A shape outside the gates MUST be tried again, and how often be told; after three times it is out."""
    lates = iter(late_ms)
    monkeypatch.setattr(calibrating, "_offer", lambda *_: assessed(*load([next(lates)] * 20)))

    found = calibrating._within_attempts(SMALL, object(), own_generator, calibrating.ATTEMPTS)  # type: ignore[arg-type]
    assert (found.attempts, found.ok) == (attempts, ok)
    assert list(lates) == []


class Lying:
    """A generator that does not report its first claim as Ready, and the others a second too early."""

    def __init__(self, honest: Any) -> None:
        self.origin_ns = honest.origin_ns
        self._honest = honest

    def offer(self, schedule: Schedule, **more: Any) -> Repetition:
        repetition: Repetition = self._honest.offer(schedule, **more)
        for number, record in enumerate(repetition.claims):
            assert record.t_ready_ns is not None
            record.t_ready_ns = record.t_ready_ns - 1_000_000_000 if number else None
        return repetition


def test_a_generator_that_lies_is_not_certified(server: FakeServer) -> None:
    """What it leaves out MUST be counted, and what it makes better than it was be noticed."""

    @contextlib.contextmanager
    def lying(connection: Connection, namespace: str, pool: str) -> Iterator[Lying]:
        with calibrating.own_generator(connection, namespace, pool) as honest:
            yield Lying(honest)

    (found,) = calibrate_shapes([SMALL], server, lying, attempts=1)
    assert found.missing == 1
    assert any("1 claims never arrived, or were Ready and not reported so" in r for r in found.reasons)
    assert any("before it was written" in r for r in found.reasons)


def test_a_load_is_followed_on_one_thread(server: FakeServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Calls, answers and events MUST be noted by one and the same thread: none then waits for another."""
    threads: set[int] = set()

    def spied(name: str) -> None:
        real = getattr(Tracker, name)

        def spy(*arguments: Any, **more: Any) -> Any:
            threads.add(threading.get_ident())
            return real(*arguments, **more)

        monkeypatch.setattr(Tracker, name, spy)

    for name in ("registered", "called", "answered", "observe"):
        spied(name)
    (found,) = calibrate_shapes([SMALL], server, calibrating.own_generator)
    assert found.missing == 0
    assert len(threads) == 1


def test_the_usual_kind_of_generator_reports_the_same_claims(server: FakeServer) -> None:
    """The baseline MUST be right, if slow: every claim is seen Ready, and no thread outlives it."""
    before = set(threading.enumerate())
    (found,) = calibrate_shapes([SMALL], server, threads_generator)
    assert (found.n, found.missing) == (10, 0)
    assert found.figures["error_p50_s"] > found.figures["watch_lag_p50_s"] > 0
    assert set(threading.enumerate()) <= before
