"""What self-tests share: a clean environment."""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, settings

# How fast examples are drawn says something about the machine, and it may be busy.
settings.register_profile("suite", deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("suite")


pytest.register_assert_rewrite("tests.unit.registries")


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of the machine's cluster, of a surrounding pytest or of CI reaches a self-test."""
    for name in list(os.environ):
        if name.startswith(("ASC_LIMIT_", "STUB_", "PYTEST_", "POD_")) and name != "PYTEST_CURRENT_TEST":
            monkeypatch.delenv(name)
    for name in ("KUBECONFIG", "GITHUB_STEP_SUMMARY", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)
