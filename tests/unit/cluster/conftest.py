"""Folders of one's own, and processes that end with their test."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fixtures.processes import MARK, ProcessRecord, start_detached
from fixtures.testbed import Settings

#: Seconds for what happens at once, also on a busy machine.
SOON = 20.0


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """State and cache lie in the test's own folder; returns the one of the clusters."""
    for name in list(os.environ):
        if name.startswith("ASC_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("ASC_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("ASC_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "state" / "clusters"


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., ProcessRecord]]:
    """Starts Python programs that are killed after the test; `marked` as those of a cluster's folder."""
    started: list[ProcessRecord] = []

    def run(
        code: str = "import time; time.sleep(600)", *arguments: str, marked: Path | None = None
    ) -> ProcessRecord:
        command = [sys.executable, "-S", "-c", code, *arguments]
        started.append(
            start_detached(
                command,
                tmp_path / "process.log",
                environment=os.environ | ({MARK: str(marked)} if marked else {}),
            )
        )
        return started[-1]

    yield run
    for record in started:
        record.end(0)


@pytest.fixture
def settings(tmp_path: Path) -> Callable[..., Settings]:
    """Settings of a run `unit`, with the given changes."""
    from fixtures.limits import Limits

    def make(**changes: object) -> Settings:
        given = {"run_id": "unit", "artifacts": tmp_path / "artifacts", "limits": Limits()}
        return Settings(**(given | changes))  # type: ignore[arg-type]

    return make


def eventually(what: Callable[[], bool]) -> None:
    """Return once it is true. Fails if it does not become so soon."""
    deadline = time.monotonic() + SOON
    pause = threading.Event()
    while not what():
        assert time.monotonic() < deadline, "never happened"
        pause.wait(0.01)
