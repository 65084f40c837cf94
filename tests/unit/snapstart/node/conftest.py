"""Fixtures of the node's self-tests."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from reference.snapstart.node.runtimelayer import MARK
from tests.unit.snapstart.node.harness import marked, sockets


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder for one node; its processes and sockets are gone afterwards."""
    # A node marks its own environment, which is this process's.
    monkeypatch.setenv(MARK, "")
    yield tmp_path
    for process in marked(tmp_path / "node"):
        with contextlib.suppress(psutil.Error):
            process.kill()
    shutil.rmtree(sockets(tmp_path), ignore_errors=True)
