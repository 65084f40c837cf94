"""A testbed without a cluster that writes down when it is started, joined and stopped.

Copied beside the sample suites, because workers and child processes import it from there. What it
should pretend is read from the environment: STUB_START (raise, interrupt), STUB_STOP (raise),
STUB_FEATURES and STUB_CAPABILITIES (comma-separated).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fixtures.errors import StartError
from fixtures.testbed import TESTBEDS, Settings

LOG = Path(__file__).with_name("stub.log")


def note(text: str) -> None:
    """Append a line to the log, with the process it comes from."""
    with LOG.open("a", encoding="utf-8") as stream:
        stream.write(f"{text} {os.getpid()}\n")


def _words(variable: str, default: str) -> frozenset[str]:
    return frozenset(word for word in os.environ.get(variable, default).split(",") if word)


class StubTestbed:
    """Claims to be agent-sandbox v0.5.6 on kwok."""

    hints: tuple[str, ...] = ()

    def __init__(self, settings: Settings, state_dir: Path) -> None:
        self.settings = settings
        self.state_dir = state_dir

    @classmethod
    def start(cls, settings: Settings) -> StubTestbed:
        note("start")
        how = os.environ.get("STUB_START")
        if how == "raise":
            raise StartError("the stub does not start; unset STUB_START")
        if how == "interrupt":
            raise KeyboardInterrupt
        state = settings.artifacts / ".stub"
        state.mkdir()
        return cls(settings, state)

    @classmethod
    def attach(cls, handover: Mapping[str, Any], settings: Settings) -> StubTestbed:
        note("attach")
        return cls(settings, Path(handover["state_dir"]))

    def handover(self) -> dict[str, Any]:
        return {"state_dir": str(self.state_dir)}

    def stop(self, *, failed: bool) -> None:
        note(f"stop failed={failed}")
        if os.environ.get("STUB_STOP") == "raise":
            raise StartError("the stub does not stop")

    @property
    def target(self) -> dict[str, Any]:
        sut = {"name": "agent-sandbox", "version": "v0.5.6", "sha256": "0" * 64, "flags": ["--extensions"]}
        return {
            "provider": "stub",
            "class": "kwok",
            "k8sVersion": "v1.36.3",
            "nodes": 3,
            "clusterUid": "1-2-3",
            "sut": sut,
        }

    @property
    def capabilities(self) -> frozenset[str]:
        return _words("STUB_CAPABILITIES", "gc,scheduler")

    @property
    def inferred_features(self) -> frozenset[str]:
        return _words("STUB_FEATURES", "SandboxClaim")


TESTBEDS["kwok"] = StubTestbed  # type: ignore[assignment]
