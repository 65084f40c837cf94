"""The controller's command line."""

from __future__ import annotations

import pytest

from fixtures.conformance import conformance, uses


@conformance(
    id="AS-BIN-1",
    profile="WARMPOOL",
    level="extended",
    needs=["sut-restart"],
    killers=["as/flags-unread"],
)
@uses("sut:exclusive")
@pytest.mark.usefixtures("namespace")
def test_unknown_flag_ends_the_controller(second_controller):
    """A controller MUST end, naming the flag, when it is given one that its --help does not list."""
    flags = second_controller.process.flags
    # The help is what the suite goes by; it was read when the controller was installed.
    assert {"extensions", "metrics-bind-address", "health-probe-bind-address"} <= flags
    assert "not-a-flag" not in flags

    refusal = second_controller.refusal_of("--not-a-flag=1")

    assert "flag provided but not defined: -not-a-flag" in refusal
    assert not second_controller.process.running
