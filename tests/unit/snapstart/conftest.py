"""Checks say what they saw, as tests do."""

from __future__ import annotations

import pytest

pytest.register_assert_rewrite(
    *(
        f"fixtures.system.snapstart.drivers.{name}"
        for name in ("captures", "checks", "forksafety", "observing", "protocol")
    )
)
