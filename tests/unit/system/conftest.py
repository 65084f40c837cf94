"""Nothing that a self-test of the system starts reaches the user's own folders."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """State and cache lie in the test's own folder."""
    monkeypatch.setenv("ASC_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("ASC_CACHE_DIR", str(tmp_path / "cache"))
