"""Runs of the suite in a process of their own: their record comes back, and they end with their starter."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from fixtures import childrun
from fixtures.conformance.outcomes import Outcome, by_requirement
from fixtures.errors import StartError

from .conftest import PATIENCE, ROOT, Project, hear_sigint

PLUGIN = ["-p", "fixtures.plugin"]
#: Makes one run, as proof and versions do, and says how it ended.
STARTER = """
import pathlib, sys
from fixtures import childrun

childrun.ROOT = pathlib.Path(sys.argv[1])
childrun.obey_signals()
try:
    childrun.run_suite(pathlib.Path(sys.argv[2]), "run", ["-p", "fixtures.plugin"], workers=0)
except KeyboardInterrupt:
    print("interrupted")
"""


@pytest.fixture
def sample(project: Project, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A sample project that child runs run in."""
    monkeypatch.setattr(childrun, "ROOT", project.path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    return project


@pytest.mark.parametrize("workers", [0, 2])
def test_the_record_comes_back_whatever_the_outcome(sample: Project, tmp_path: Path, workers: int) -> None:
    """A child run MUST return what happened, also where tests failed."""
    sample.write("""
        @claims(1)
        def test_good():
            "It MUST hold."

        @claims(2)
        def test_bad():
            "It MUST hold."
            assert False
    """)

    results = childrun.run_suite(tmp_path, "run", PLUGIN, workers=workers)

    outcomes = {
        name: found.outcome for name, found in by_requirement(results.phases, results.selected).items()
    }
    assert outcomes == {"AS-C01": Outcome.PASSED, "AS-C02": Outcome.FAILED}
    assert "1 failed" in (tmp_path / "run.log").read_text()


def test_a_run_that_never_began_names_its_log(sample: Project, tmp_path: Path) -> None:
    """A child run that wrote no record MUST end with the place of its output."""
    with pytest.raises(StartError, match=r"ended with code 4 before it began; see .*run\.log"):
        childrun.run_suite(tmp_path, "run", [*PLUGIN, "--controller"], workers=0)


def test_a_run_that_broke_off_is_no_result(sample: Project, tmp_path: Path) -> None:
    """A child run that did not come to its end MUST NOT return its record."""
    sample.write("""
        @claims(1)
        def test_ends_the_run():
            "It MUST hold."
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(30)
    """)

    with pytest.raises(StartError, match="did not come to its end: .*SIGTERM"):
        childrun.run_suite(tmp_path, "run", PLUGIN, workers=0)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_interruption_takes_the_child_down_in_order(
    sample: Project, tmp_path: Path, number: signal.Signals
) -> None:
    """Ctrl-C and SIGTERM MUST end the child run, which puts its testbed away first."""
    sample.write("""
        @claims(1)
        def test_waits():
            "It MUST hold."
            stub_testbed.note("waiting")
            time.sleep(60)
    """)
    starter = subprocess.Popen(
        [sys.executable, "-c", STARTER, str(sample.path), str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=hear_sigint,
    )
    sample.wait_for_log("waiting")

    starter.send_signal(number)
    text, _ = starter.communicate(timeout=PATIENCE)

    assert text == "interrupted\n"
    assert sample.log()[-1].startswith("stop")
