"""Fixtures of the substrate's self-tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.rollout.substrate.harness import kill_all


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A state folder; the processes that belong to it, or to a folder in it, are gone afterwards."""
    yield tmp_path
    for found in (tmp_path, *filter(Path.is_dir, tmp_path.iterdir())):
        kill_all(found)
