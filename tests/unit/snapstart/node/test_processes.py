"""Processes by id and start: found, watched, ended with what they started, and never mistaken."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from reference.processes import ProcessIdentity
from reference.snapstart.node.ledger import COLD, RESTORED, Entry, Ledger
from reference.snapstart.node.node import owning, sweep
from reference.snapstart.node.pods import PodRequest
from reference.snapstart.node.processes import Deaths, ancestors, end, family, marked, session, table

#: Starts a child in its session, one below it in a session of its own, says so, and waits.
PARENT = """
import signal, subprocess
inside = subprocess.Popen(["sleep", "600"])
below = subprocess.Popen(["sleep", "600"], start_new_session=True)
print(inside.pid, below.pid, flush=True)
signal.pause()
"""
#: Does not end on SIGTERM.
STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); signal.pause()"
VARIABLE = "SNAPSTART_TEST_PROCESSES"


@pytest.fixture
def mark(tmp_path: Path) -> Iterator[str]:
    """A value for VARIABLE; whatever carries it is gone afterwards."""
    yield str(tmp_path)
    for pid in marked(VARIABLE, str(tmp_path), table()):
        os.kill(pid, signal.SIGKILL)


def start(code: str, mark: str) -> tuple[subprocess.Popen[str], list[int]]:
    """A Python program in a session of its own, and the numbers that it says first."""
    child = subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, VARIABLE: mark},
        start_new_session=True,
    )
    assert child.stdout is not None
    with child.stdout:
        return child, [int(number) for number in child.stdout.readline().split()]


def test_a_process_is_not_another_of_the_same_id(mark: str) -> None:
    """A process MUST be known by its start too; one that has ended has no row, zombie or not."""
    child, _ = start(STUBBORN, mark)
    process = ProcessIdentity.of(child.pid)
    row = table()[child.pid]
    assert row.is_of(process)
    assert not row.is_of(ProcessIdentity(child.pid, process.started + 2))
    assert row.identity.alive
    child.kill()
    assert asyncio.run(process.ended(5))
    # Nobody has asked for its exit code yet.
    assert psutil.Process(child.pid).status() == psutil.STATUS_ZOMBIE
    assert child.pid not in table()
    child.wait()


def test_the_end_of_a_process_is_the_end_of_its_family(mark: str) -> None:
    """Ending MUST reach what is in the session and what is below, and nothing else."""
    child, started = start(PARENT, mark)
    bystander, _ = start(STUBBORN, mark)
    head = ProcessIdentity.of(child.pid)
    below = [ProcessIdentity.of(pid) for pid in started]
    assert family([head], table()) == {child.pid, *started}
    assert session([head], table()) == {child.pid, started[0]}
    assert ancestors(below, table()) >= {child.pid, os.getpid()}
    assert not ancestors(below, table()) & set(started)
    other = ProcessIdentity(child.pid, head.started + 2)
    assert family([other], table()) == set()
    asyncio.run(end(head, 5))
    assert not any(process.alive for process in (head, *below))
    assert child.wait() == -signal.SIGTERM
    assert ProcessIdentity.of(bystander.pid).alive
    bystander.kill()
    bystander.wait()


def test_a_template_is_not_ended_with_its_source(mark: str) -> None:
    """Ending only a session MUST leave alone what left it."""
    child, started = start(PARENT, mark)
    inside, outside = (ProcessIdentity.of(pid) for pid in started)
    asyncio.run(end(ProcessIdentity.of(child.pid), 0, session))
    assert not inside.alive
    assert outside.alive
    child.wait()


def test_a_process_that_does_not_listen_is_killed(mark: str) -> None:
    """SIGTERM MUST be followed by SIGKILL after the grace period."""
    child, _ = start(STUBBORN, mark)
    began = time.monotonic()
    asyncio.run(end(ProcessIdentity.of(child.pid), 0.3))
    assert 0.3 <= time.monotonic() - began < 5
    assert child.wait() == -signal.SIGKILL


def test_deaths_are_told_once_with_the_exit_code(mark: str) -> None:
    """The end of a child MUST be told with its code, that of others without, that of a dead one at once."""

    async def test() -> list[tuple[str, int | None]]:
        deaths, told = Deaths(), asyncio.Queue[tuple[str, int | None]]()
        child, started = start(PARENT, mark)
        child.returncode = 0
        heard = []
        watched = {"child": ProcessIdentity.of(child.pid), "grandchild": ProcessIdentity.of(started[1])}
        watched["dead"] = ProcessIdentity(child.pid, 1.0)
        for name, process in watched.items():
            deaths.watch(process, lambda code, name=name: told.put_nowait((name, code)))
        heard.append(await told.get())
        for name in ("grandchild", "child"):
            watched[name].send(signal.SIGKILL)
            heard.append(await told.get())
        deaths.close()
        # It was waited for: nothing is left of it.
        assert not psutil.pid_exists(child.pid)
        return heard

    assert asyncio.run(test()) == [("dead", None), ("grandchild", None), ("child", -9)]


def test_a_sweep_ends_what_nobody_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process with the mark of a node and without a record MUST be ended; those of other nodes stay."""
    monkeypatch.setenv("SNAPSTART_NODE_STATE", "")
    with owning(tmp_path / "a"):
        mine = subprocess.Popen(["sleep", "600"])
    with owning(tmp_path / "b"):
        theirs = subprocess.Popen(["sleep", "600"])
    assert asyncio.run(sweep(tmp_path / "a")) == 1
    assert mine.wait() == -signal.SIGKILL
    assert theirs.poll() is None
    assert asyncio.run(sweep(tmp_path / "b")) == 1
    assert theirs.wait() == -signal.SIGKILL


def test_a_sweep_spares_what_holds_a_session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is above the recorded process of a session MUST stay: it holds its namespaces."""
    monkeypatch.setenv("SNAPSTART_NODE_STATE", "")
    with owning(tmp_path):
        keeper, started = start(PARENT, str(tmp_path))
        request = PodRequest("ns", "p", "u", COLD, "k", 8080, "", None)
        held = Entry(request, "127.0.0.2", "t", way=RESTORED, process=ProcessIdentity.of(started[1]))
        Ledger(tmp_path).put(held)
        # Only what is beside the session goes.
        assert asyncio.run(sweep(tmp_path)) == 1
        assert keeper.poll() is None
        assert held.process is not None and held.process.alive
        Ledger(tmp_path).remove("u")
        asyncio.run(sweep(tmp_path))
    assert keeper.wait() == -signal.SIGKILL


def test_a_state_folder_has_one_node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second node on the same folder MUST be refused, one after the first not."""
    monkeypatch.setenv("SNAPSTART_NODE_STATE", "")
    with owning(tmp_path), pytest.raises(TimeoutError), owning(tmp_path, 0.1):
        pass
    with owning(tmp_path):
        pass
