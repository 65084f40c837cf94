"""Many runs of the same tests: what changed is named, what was counted is added up."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil
import pytest

from fixtures import childrun
from fixtures.conformance.results import Phase, Results
from fixtures.errors import StartError
from fixtures.repeat import __main__ as command
from fixtures.repeat.account import account, changes, totals
from fixtures.repeat.busy import busy

ROOT = Path(__file__).parents[3]


def results(call: str = "passed", evidence: Mapping[str, Any] | None = None) -> Results:
    """The record of a run of two tests; the second one ended as given."""
    phases = []
    for nodeid, how in (("t.py::a", "passed"), ("t.py::b", call)):
        error = {"type": "E", "firstLine": "E: it broke", "text": ""} if how == "failed" else None
        properties = {"evidence": dict(evidence or {})}
        phases += [
            Phase("AS-C01", nodeid, "setup", "passed"),
            Phase("AS-C01", nodeid, "call", how, error=error, properties=properties),
            Phase("AS-C01", nodeid, "teardown", "passed", properties=properties),
        ]
    return Results({}, (), {p.nodeid: p.id for p in phases}, tuple(phases), {"finished": True})


def test_equal_runs_are_equal() -> None:
    """Runs with the same outcomes MUST have one digest and no changes."""
    runs = [account(f"run-{n}", n, 1.0, results()) for n in (1, 2)]

    assert changes(runs) == []
    assert runs[0].digest == runs[1].digest
    assert runs[0].bad == []


def test_a_changed_outcome_is_named_with_its_reason() -> None:
    """A test that ended differently MUST be named, with the runs and the reason."""
    runs = [account("run-1", 1, 1.0, results()), account("run-2", 2, 1.0, results("failed"))]

    assert changes(runs) == ["t.py::b: FAILED in run-2; PASSED in run-1: E: it broke"]
    assert runs[0].digest != runs[1].digest
    assert runs[1].bad == ["t.py::b"]


def test_a_test_that_is_missing_in_one_run_has_changed() -> None:
    """A test that one run lacks MUST count as changed."""
    whole, short = results(), results()
    short = Results({}, (), {"t.py::a": "AS-C01"}, short.phases[:3], short.footer)

    found = changes([account("run-1", 1, 1.0, whole), account("run-2", 2, 1.0, short)])

    assert found == ["t.py::b: PASSED in run-1; not there in run-2"]


def test_evidence_is_counted_once_per_test() -> None:
    """Numbers in evidence MUST be added up over tests and runs, each test's once, and seeds never."""
    evidence = {"workload": {"seed": 7, "claim": 3, "share": 0.5}, "mutant": "x"}
    runs = [account(f"run-{n}", n, 1.0, results(evidence=evidence)) for n in (1, 2)]

    assert totals(runs) == ["workload: 12 in all; claim 12"]


def test_each_run_gets_the_next_seed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every run MUST have a seed of its own, by which it can be had again; a change MUST end with 1."""
    seen = []

    def run_suite(folder: Path, name: str, arguments: list[str], *, workers: int) -> Results:
        seen.append(arguments)
        return results("failed" if len(seen) == 2 else "passed")

    monkeypatch.setattr(command, "run_suite", run_suite)
    monkeypatch.setattr(childrun, "obey_signals", lambda: None)

    code = command.main(["--times=3", "--seed=5", f"--artifacts={tmp_path / 'x'}", "--", "--id", "AS-C01"])

    assert seen == [[f"--seed={n}", "--id", "AS-C01"] for n in (5, 6, 7)]
    assert code == 1
    text = capsys.readouterr().out
    assert "run-2    seed 6 " in text
    assert "3 runs, 2 different, 1 tests changed" in text


def test_runs_before_one_that_broke_off_are_not_lost(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """When a run does not come to its end, the summary of those before MUST be shown, and the code be 3."""
    replies = [results(), StartError("the run run-2 did not come to its end")]

    def run_suite(*_: object, **__: object) -> Results:
        reply = replies.pop(0)
        if isinstance(reply, StartError):
            raise reply
        return reply

    monkeypatch.setattr(command, "run_suite", run_suite)
    monkeypatch.setattr(childrun, "obey_signals", lambda: None)

    assert command.main(["--times=3", f"--artifacts={tmp_path / 'x'}"]) == 3
    text = capsys.readouterr().out
    assert "did not come to its end" in text
    assert "1 runs, 1 different, 0 tests changed" in text


def test_busy_processes_end_with_the_block() -> None:
    """Cores MUST be kept busy within the block and be free after it."""
    before = set(psutil.Process().children())
    with busy(2):
        started = set(psutil.Process().children()) - before
        assert len(started) == 2
    assert not any(child.is_running() for child in started)


def test_busy_processes_end_with_a_killed_parent() -> None:
    """Busy processes MUST NOT outlive whoever started them."""
    code = (
        "import psutil, sys, time; from fixtures.repeat.busy import busy\n"
        "with busy(1): print(psutil.Process().children()[0].pid, flush=True); time.sleep(60)"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert parent.stdout is not None
    child = psutil.Process(int(parent.stdout.readline()))
    parent.kill()
    parent.communicate()

    deadline = time.monotonic() + 10
    while child.is_running() and child.status() != psutil.STATUS_ZOMBIE and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE
