"""Durations as Kubernetes writes them."""

from __future__ import annotations

import datetime

import pytest

from reference.snapstart.durations import parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("24h", 86400), ("1h30m", 5400), ("1m0s", 60), ("500ms", 0.5), ("1.5s", 1.5), ("2h45m30.5s", 9930.5)],
)
def test_durations(text: str, seconds: float) -> None:
    """What the API server accepts MUST be read."""
    assert parse_duration(text) == datetime.timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "24", "h", "1d", "1h 30m", "-1h", "1h-30m"])
def test_what_is_no_duration(text: str) -> None:
    """What is no duration MUST be refused."""
    with pytest.raises(ValueError, match="is no duration"):
        parse_duration(text)
