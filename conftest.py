"""Loads the suite's plugin; everything else is in there."""

from __future__ import annotations

pytest_plugins = ["fixtures.plugin"]
