"""Durations as Kubernetes writes them, e.g. `1h30m` or `500ms`. Pure."""

from __future__ import annotations

import datetime
import re
from typing import Final

_SECONDS: Final = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
_PART: Final = re.compile(r"(\d+(?:\.\d+)?)(h|ms|m|us|µs|ns|s)")


def parse_duration(text: str) -> datetime.timedelta:
    """A positive duration. Raises ValueError."""
    parts = _PART.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ValueError(f"{text!r} is no duration such as 1h30m or 500ms")
    return datetime.timedelta(seconds=sum(float(number) * _SECONDS[unit] for number, unit in parts))
