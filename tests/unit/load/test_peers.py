"""The comparison with another generator, and the commands that make it and the calibration."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from fixtures.conformance import exitcodes
from fixtures.errors import UsageError
from fixtures.load import peers, trials
from fixtures.load.__main__ import main
from fixtures.load.calibration import Calibration, ShapeCalibration
from fixtures.load.peers import CONTESTANTS, Cell, certified_rate, compare, schedules, table
from tests.unit.conformance.conftest import hear_sigint
from tests.unit.load.reports import QUIET, assessed, load

OURS, THEIRS = CONTESTANTS
ROOT = Path(__file__).parents[3]
#: Seconds after which something that takes milliseconds has not happened.
LONG = 120.0


def shape(rate: float, late_ms: float) -> ShapeCalibration:
    return replace(assessed(*load([late_ms] * 20, rate=rate)), rate=rate)


def cell(contestant: str, rate: float, *late_ms: float) -> Cell:
    return Cell(contestant, rate, tuple(shape(rate, late) for late in late_ms))


def test_a_cell_is_the_median_of_its_rounds() -> None:
    """One bad round of three MUST NOT change the figure, nor the certificate; two must."""
    good, bad = cell(OURS, 100, 1.0, 90.0, 1.5), cell(OURS, 100, 1.0, 90.0, 80.0)
    assert (good.middle("sched_lag_p99_s"), good.within, good.certified) == (0.0015, 2, True)
    assert (bad.middle("sched_lag_p99_s"), bad.within, bad.certified) == (0.08, 1, False)


def test_a_round_without_figures_counts_as_bad_and_has_none() -> None:
    """What could not be compared MUST be no figure and no certificate."""
    empty = Cell(OURS, 100, (ShapeCalibration("constant(100/s)", 100, 5, 5, {}, ("nothing",)),))
    assert (empty.within, empty.certified) == (0, False)
    assert str(empty.middle("error_p99_s")) == "nan"


def test_the_highest_certified_rate_has_only_good_rates_below_it() -> None:
    """A good rate above a bad one MUST NOT count, and the other's rates neither."""
    cells = [cell(OURS, 300, 1.0), cell(OURS, 100, 1.0), cell(OURS, 600, 9.0), cell(OURS, 1000, 1.0)]
    cells += [cell(THEIRS, 100, 9.0), cell(THEIRS, 300, 1.0)]
    assert certified_rate(cells, OURS) == 300
    assert certified_rate(cells, THEIRS) is None


def test_the_table_has_a_line_per_load_and_contestant() -> None:
    """Each figure MUST stand in its column, in the unit that the column tells."""
    lines = list(table([cell(OURS, 100, 1.0), cell(THEIRS, 100, 9.0)], replace(QUIET, foreign=0.04)))
    assert lines[0].count("|") == lines[1].count("|") == lines[2].count("|")
    assert lines[2:4] == [
        f"| 100/s | {OURS} | 200 µs | 1.0 ms | 0.5 ms | 52.0 / 52.0 ms | 2.0 / 2.0 ms | 1 of 1 |",
        f"| 100/s | {THEIRS} | 200 µs | 9.0 ms | 0.5 ms | 60.0 / 60.0 ms | 10.0 / 10.0 ms | 0 of 1 |",
    ]
    assert f"Highest certified rate, {OURS}: 100/s." in lines
    assert f"Highest certified rate, {THEIRS}: none." in lines
    assert "true latency P50 50.0 to 50.0 ms" in lines[-1]
    assert "Meanwhile 4 % of the CPU time was others' and 0 % stolen." in lines[-1]
    with pytest.raises(ValueError, match="nothing to compare"):
        list(table([], QUIET))


def test_rates_that_are_none_are_usage_errors() -> None:
    """No rate, a rate of nothing and no round MUST be said to be wrong before anything runs."""
    with pytest.raises(UsageError, match="--rates 100 300"):
        schedules([])
    with pytest.raises(UsageError, match="must be above 0"):
        schedules([-1])
    with pytest.raises(UsageError, match="--rounds 0"):
        compare([100], 0, Path("unused"), None, lambda _: None)


def test_the_comparison_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every contestant MUST have every load in every round, none missing a claim."""
    monkeypatch.setattr(peers, "SHAPE_SECONDS", 0.2)
    said: list[str] = []
    cells, noise = compare([100, 50], 1, tmp_path, None, said.append)
    assert [(c.contestant, c.rate, len(c.rounds)) for c in cells] == [
        (OURS, 50, 1),
        (OURS, 100, 1),
        (THEIRS, 50, 1),
        (THEIRS, 100, 1),
    ]
    assert [r.missing for c in cells for r in c.rounds] == [0, 0, 0, 0]
    assert len(said) == 2
    assert len(list(table(cells, noise))) > 4


@pytest.fixture
def affinity() -> Iterator[None]:
    before = os.sched_getaffinity(0)
    yield
    os.sched_setaffinity(0, before)


@pytest.mark.usefixtures("affinity")
def test_generator_and_server_get_a_core_each() -> None:
    """The process MUST be on one core, and the server's be another one, if there is one."""
    cores = sorted(os.sched_getaffinity(0))
    other = peers.pin()
    assert os.sched_getaffinity(0) == {cores[0]}
    assert other == (cores[1] if len(cores) > 1 else None)
    assert peers.pin() is None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["calibrate", "constant(10)"], "is written like constant(10/s, 100)"),
        (["calibrate", "bursts(10)"], "did you mean 'burst'?"),
        (["peers", "--rates", "0"], "must be above 0"),
        (["peers", "--rounds", "0"], "--rounds 0"),
        (["peers", "--output", "/no/such/folder/table.md"], "there is no folder /no/such/folder"),
    ],
)
def test_bad_arguments_are_explained(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The exit code MUST be that of a usage error, with one paragraph."""
    monkeypatch.setattr(peers, "pin", lambda: None)
    monkeypatch.setattr("fixtures.childrun.obey_signals", lambda: None)
    assert main(arguments) == exitcodes.USAGE
    assert message in capsys.readouterr().out


@pytest.mark.parametrize(("late_ms", "code"), [(1.0, exitcodes.OK), (9.0, exitcodes.FAILED)])
def test_the_exit_code_says_whether_all_is_certified(
    late_ms: float, code: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A shape outside the gates MUST give code 1 and be marked INVALID with value and limit."""
    asked: list[str] = []

    def calibrated(chosen: Sequence[Any], *_: Any, **__: Any) -> Calibration:
        asked.extend(str(s) for s in chosen)
        return Calibration((shape(100, late_ms),), 0.1, 0.001, QUIET)

    monkeypatch.setattr(trials, "calibrate", calibrated)
    monkeypatch.setattr("fixtures.childrun.obey_signals", lambda: None)
    assert main(["calibrate", "--no-pin"]) == code
    output = capsys.readouterr().out
    assert asked == list(trials.SCHEDULES)
    assert ("INVALID: constant(100/s): P99 of sched_lag is 9.0 ms, limit 2.5 ms" in output) is bool(code)
    assert ("certified up to 100/s" in output) is not bool(code)


def test_an_interruption_leaves_nothing_behind() -> None:
    """Ctrl-C MUST end it with code 2, and its server with it."""
    process = subprocess.Popen(
        [sys.executable, "-m", "fixtures.load", "peers", "--rounds", "100", "--rates", "5"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=ROOT,
        preexec_fn=hear_sigint,
    )
    try:
        assert process.stdout is not None
        # The load that warms up has been offered, the first one that counts is under way.
        assert "burst" in process.stdout.readline()
        children = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=LONG)
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == exitcodes.INTERRUPTED
    assert "interrupted; nothing was left running" in output
    assert children != []
    assert psutil.wait_procs(children, timeout=LONG)[1] == []
