"""The page for readers says what the code does."""

from __future__ import annotations

from pathlib import Path

import pytest

from fixtures.load.comparison import PAIRS, TOLERATED
from fixtures.load.metrics import CATALOGUE
from fixtures.load.reference import PAGE, short_table, table, with_tables
from fixtures.load.rollouts.figures import CATALOGUE as ROLLOUTS
from fixtures.load.snapstart.figures import CATALOGUE as SNAPSTART

ROOT = Path(__file__).parents[3]


def test_the_page_has_the_catalogue_of_today() -> None:
    """docs/performance.md MUST be written anew after a change of the catalogue."""
    page = (ROOT / PAGE).read_text(encoding="utf-8")

    assert page == with_tables(page), "run python -m fixtures.load.reference"


def test_every_metric_has_one_row() -> None:
    """No cell may break the table."""
    rows = table().splitlines()[2:]

    assert len(rows) == len(CATALOGUE)
    assert all(row.count("|") == 7 for row in rows)

    for catalogue in (ROLLOUTS, SNAPSTART):
        rows = short_table(catalogue).splitlines()[2:]
        assert len(rows) == len(catalogue)
        assert all(row.count("|") == 5 for row in rows)


def test_a_page_without_marks_is_refused() -> None:
    """Nothing may be written to an unknown place."""
    with pytest.raises(ValueError, match="lacks the marks"):
        with_tables("# Another page\n")


def test_the_page_speaks_of_the_comparison_that_is_made() -> None:
    """Tolerated increase and number of pairs MUST be those of the code."""
    page = (ROOT / PAGE).read_text(encoding="utf-8")

    assert f"up to +{TOLERATED:.0%} is tolerated" in page
    assert f"{PAIRS} pairs of 100 claims" in page
