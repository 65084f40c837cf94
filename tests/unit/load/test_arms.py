"""The controllers that are measured."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from fixtures.load.arms import Arm, common_flags
from fixtures.load.scenario import FLAGS, HOLD_REFILL, Scenario
from fixtures.load.schedule import burst


def arm(label: str, *known: str) -> Arm:
    """A controller that lists these flags."""
    controller: Any = SimpleNamespace(
        known=lambda flags: tuple(f for f in flags if f.partition("=")[0] in known),
        process=SimpleNamespace(arguments=lambda: ["controller", "--kubeconfig=k", "--extensions=true"]),
    )
    return Arm(label, "v0.5.6", "v0.5.6", "abc", controller)


def test_both_arms_run_with_the_same_flags() -> None:
    """PERF-LG-16: what one of them does not list MUST be given to neither, and all else to both."""
    both = [arm("a", "--x", "--y"), arm("b", "--y", "--z")]

    assert common_flags(both, ("--x=1", "--y=2", "--z=3")) == ("--y=2",)


def test_the_record_says_what_it_was_started_with() -> None:
    """The flags in run.json MUST be those of the command line, without the path of a kubeconfig."""
    assert arm("a").to_dict(("--y=2",))["flags"] == ["--extensions=true", "--y=2"]


def test_refill_is_held_back_unless_it_is_the_subject() -> None:
    """A scenario MUST NOT measure the refill by accident."""
    held, refilled = (Scenario("s", burst(1), pool=1, refill=refill) for refill in (False, True))

    assert held.controller_flags == (*FLAGS, HOLD_REFILL)
    assert refilled.controller_flags == FLAGS
    assert held.digest != refilled.digest
