"""A scripted API server, journals on it, and a journal that is fed by hand."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from fixtures.journal import Journal, journal
from fixtures.journal.background import background
from fixtures.kube.kinds import POD, SANDBOX, Kind
from tests.unit.journal.objects import NAMESPACE
from tests.unit.journal.scripted import ScriptedServer

#: Opens a journal on the scripted server.
Open = Callable[..., Journal]
#: Seconds for what a working journal does at once, also on a busy machine.
SOON = 10.0


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ScriptedServer]:
    """A server for Pods and Sandboxes that holds every watch open, in silence."""
    running = ScriptedServer((POD, SANDBOX), tmp_path)
    yield running
    running.stop()


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retries follow at once, and few of them are enough to give up."""
    monkeypatch.setattr(journal, "BACKOFF", (0.001, 0.002))
    monkeypatch.setattr(journal, "MAX_BARREN_REOPENINGS", 5)


@pytest.fixture
def open_journal(server: ScriptedServer, hasty: None) -> Iterator[Open]:
    """Opens journals on the server; afterwards none of them may have left a task behind."""
    made: list[Journal] = []

    def start(timeout: float = SOON, lags: Mapping[Kind, float] | None = None) -> Journal:
        made.append(Journal(server.connection, NAMESPACE, (POD, SANDBOX), "asc-test::unit", lags=lags))
        return made[-1].open(timeout)

    yield start
    for one in made:
        one.close()
    assert leftover_tasks() == []


def leftover_tasks() -> list[str]:
    """Coroutines that still run on the journals' event loop."""

    async def others() -> list[str]:
        # Cancelled tasks and closed sockets get their turn first.
        await asyncio.sleep(0.02)
        mine = asyncio.current_task()
        return [repr(task) for task in asyncio.all_tasks() if task is not mine]

    return list(background().run(others(), SOON))


def eventually(what: Callable[[], bool]) -> None:
    """Return once `what` is true. Fails if it does not become so soon."""
    deadline = time.monotonic() + SOON
    pause = threading.Event()
    while not what():
        assert time.monotonic() < deadline, "never happened"
        pause.wait(0.005)
