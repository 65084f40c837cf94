"""A program as a process: what is told when it does not start, and that nothing stays behind."""

from __future__ import annotations

import sys
from pathlib import Path

import psutil
import pytest

from fixtures.errors import StartError
from fixtures.ownedprocess import NotReady, OwnedProcess
from fixtures.processes import marked_processes


@pytest.fixture
def process(tmp_path: Path) -> OwnedProcess:
    """A process of a cluster in a folder of the test; not started."""
    return OwnedProcess("thing", tmp_path / "things", tmp_path)


def python(code: str) -> list[str]:
    """The command that runs some Python."""
    return [sys.executable, "-c", code]


def never() -> None:
    """What is never ready."""
    raise NotReady("it says no")


def said(process: OwnedProcess, word: str) -> None:
    """Raises NotReady while its log lacks the word."""
    if word not in process.text():
        raise NotReady(f"no {word} yet")


def test_it_is_found_again_and_ended(process: OwnedProcess) -> None:
    """Anyone with the record MUST be able to end it, and it MUST carry the mark of its cluster."""
    process.begin(python("import time; print('up', flush=True); time.sleep(60)"))
    # Its environment can be read only once the kernel has exchanged the program, a moment after the start.
    process.until(lambda: said(process, "up"), 5)
    again = OwnedProcess(process.name, process.folder, process.cluster)

    assert again.running
    assert [record.pid for record in marked_processes(str(process.cluster))] == [
        again.record and again.record.pid
    ]
    with pytest.raises(StartError, match="the thing runs already; stop it first"):
        again.begin(python("pass"))
    again.pause()
    again.stop()
    assert not process.running
    assert marked_processes(str(process.cluster)) == []


def test_one_that_ends_is_told_with_its_last_lines(process: OwnedProcess) -> None:
    """A program that exits MUST be told at once, with what it said last."""
    process.begin(python("print('first', flush=True); raise SystemExit('no such port')"))

    with pytest.raises(StartError, match=r"^the thing exited\. Its last lines:\nfirst\nno such port$"):
        process.until(never, 30)


def test_one_that_is_not_ready_is_ended(process: OwnedProcess) -> None:
    """A program that does not become ready MUST be ended, and told with how it answered."""
    process.begin(python("import time; time.sleep(60)"))
    pid = process.record.pid if process.record else 0

    with pytest.raises(StartError, match=r"the thing was not ready after 0 s \(it says no\)"):
        process.until(never, 0.2)
    assert not process.running
    assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def test_a_program_that_is_not_there_is_told(process: OwnedProcess) -> None:
    """A command that cannot be run MUST be a StartError."""
    with pytest.raises(StartError, match="the thing does not start: .*No such file"):
        process.begin([str(process.folder / "none")])


def test_its_log_is_read_from_a_place_on(process: OwnedProcess) -> None:
    """The log MUST be kept over starts, and be readable, and quoted, from where it was."""
    assert (process.size(), process.text()) == (0, "")
    for word in ("first", "second"):
        position = process.size()
        process.begin(python(f"print('{word}')"))
        with pytest.raises(StartError, match=rf"^the thing exited\. Its last lines:\n{word}$"):
            process.until(never, 30, since=position)

    assert process.text() == "first\nsecond\n"
    assert process.text(position) == "second\n"
