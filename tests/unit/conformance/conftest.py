"""Sample suites on a stub testbed, run in this process or, with workers and signals, in a child."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

# Before the first run in this process: modules that a run imports are forgotten after it, and parts of numpy
# cannot be loaded a second time.
import scipy.stats  # noqa: F401

import fixtures.plugin
import fixtures.testbed
from fixtures.conformance import report, results

ROOT = Path(__file__).parents[3]

#: Seconds after which a child process of a self-test has hung.
PATIENCE = 120

INI = """
[pytest]
testpaths = tests/e2e
addopts = --strict-markers --import-mode=importlib -p no:cacheprovider -p no:benchmark -p no:hypothesispytest
filterwarnings = error
"""

CONFTEST = """
import sys, pathlib
sys.path.insert(0, str(pathlib.Path(__file__).parent))
import stub_testbed
"""

IMPORTS = """
import os, signal, time
import pytest
import stub_testbed
from fixtures.conformance import checks, conformance, failed, provisional, uses
from fixtures.errors import Undecided

def claims(number, **more):
    return conformance(**{"id": f"AS-C{number:02}", "profile": "CLAIMS", "level": "core", **more})
"""


@dataclass
class Ended:
    """A run that has ended: exit code and everything it printed."""

    code: int
    text: str


#: How a child process runs a sample suite.
PYTEST = [sys.executable, "-m", "pytest", "-p", "fixtures.plugin"]


def hear_sigint() -> None:
    """Undo, in a child, that SIGINT is ignored: so it is where the self-tests run in the background."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Project:
    """A small project of its own, with tests in tests/e2e and the stub as its testbed."""

    def __init__(self, pytester: pytest.Pytester) -> None:
        self.pytester = pytester
        self.path = pytester.path
        pytester.makeini(INI)
        pytester.makeconftest(CONFTEST)
        stub = Path(__file__).with_name("stub_testbed.py").read_text(encoding="utf-8")
        (self.path / "stub_testbed.py").write_text(stub, encoding="utf-8")
        (self.path / "tests" / "e2e").mkdir(parents=True)

    def write(self, source: str, name: str = "test_sample.py") -> None:
        """Write a test module with the usual imports."""
        (self.path / "tests" / "e2e" / name).write_text(IMPORTS + textwrap.dedent(source), encoding="utf-8")

    def run(self, *args: str) -> Ended:
        """Run pytest in this process: quick, but without workers and signals."""
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Module already imported")
            done = self.pytester.runpytest_inprocess(*args, plugins=[fixtures.plugin], no_reraise_ctrlc=True)
        return Ended(int(done.ret), "\n".join([*done.outlines, *done.errlines]))

    def spawn(self, *args: str) -> subprocess.Popen[str]:
        """Start pytest in a child process."""
        return self._start([*PYTEST, *args])

    def spawn_below(self, *environment: str) -> subprocess.Popen[str]:
        """Start pytest as the child of another process; `environment` as NAME=VALUE."""
        code = "import subprocess, sys; subprocess.run(sys.argv[1:])"
        return self._start([sys.executable, "-c", code, "env", *environment, *PYTEST])

    def _start(self, command: list[str]) -> subprocess.Popen[str]:
        return subprocess.Popen(
            command,
            cwd=self.path,
            env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            # Its own group, so that a signal to it is one to it alone.
            start_new_session=True,
            preexec_fn=hear_sigint,
        )

    def run_child(self, *args: str) -> Ended:
        """Run pytest in a child process to its end."""
        return self.wait(self.spawn(*args))

    @staticmethod
    def wait(child: subprocess.Popen[str]) -> Ended:
        """Wait for a child process."""
        try:
            text, _ = child.communicate(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            child.kill()
            text, _ = child.communicate()
            pytest.fail(f"the run hung:\n{text}")
        return Ended(child.returncode, text)

    def wait_for_log(self, text: str, count: int = 1) -> list[str]:
        """Wait until the stub's log has `count` lines that start with `text`."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            if sum(line.startswith(text) for line in self.log(pids=True)) >= count:
                return self.log(pids=True)
            time.sleep(0.02)
        return pytest.fail(f"no line {text!r} in {self.log(pids=True)}")

    def log(self, *, pids: bool = False) -> list[str]:
        """The stub's log, without process ids unless they are asked for."""
        file = self.path / "stub.log"
        lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
        return lines if pids else [line.rpartition(" ")[0] for line in lines]

    @property
    def artifacts(self) -> Path:
        """Artifacts of the newest run."""
        return self.path / "artifacts" / "latest"

    def results(self) -> results.Results:
        """The newest run's results."""
        return results.read(self.artifacts / "results.jsonl")

    def report(self) -> dict[str, Any]:
        """The newest run's report, checked against the schema."""
        return report.load(self.artifacts / "conformance-report.yaml")

    def outcomes(self) -> dict[str, str]:
        """Outcome by id in the newest report."""
        return {test["id"]: test["outcome"] for test in self.report()["tests"]}


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Project:
    """An empty sample project."""
    monkeypatch.setattr(fixtures.testbed, "TESTBEDS", {})
    return Project(pytester)


@pytest.fixture(params=["serial", "workers"])
def mode(request: pytest.FixtureRequest) -> Sequence[str]:
    """Arguments for a serial run and for one with two workers."""
    return [] if request.param == "serial" else ["-n2"]
