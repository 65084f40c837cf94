"""ateapi's orders to an atelet, read from the wire."""

from __future__ import annotations

import pytest

from fixtures.system.rollout.real.atelet.messages import METHODS, Herder, Order

#: Actor a1 of template ns/t, whose container has A=1 and is probed on /health.
RUN = (
    b"\x12\x05space\x1a\x02a1\x22\x02ns\x2a\x01t"
    b"\x32\x25\x0a\x23\x0a\x05agent\x12\x02i@\x22\x06\x0a\x01A\x12\x011"
    b"\x2a\x0e\x0a\x0c\x0a\x07/health\x10\x90\x3f"
)


def test_an_order_is_read_from_the_wire() -> None:
    """What ateapi writes MUST be read by its field numbers."""
    herder = Herder()

    assert herder.order(herder.message("RunRequest").FromString(RUN)) == Order(
        "space", "a1", "ns/t", {"A": "1"}, readyz="/health", snapshot=""
    )


@pytest.mark.parametrize("method", ["Checkpoint", "Restore"])
@pytest.mark.parametrize(
    "config",
    [
        pytest.param(b"\x38\x02\x4a\x07\x0a\x05gs://", id="external"),
        # Of a paused actor, whose snapshot stays on its node.
        pytest.param(b"\x38\x01\x42\x07\x0a\x05gs://", id="local"),
    ],
)
def test_a_snapshot_is_named(config: bytes, method: str) -> None:
    """Where memory is saved to, and read from, MUST be what the order says, external or local."""
    herder = Herder()

    assert herder.order(herder.message(f"{method}Request").FromString(config)).snapshot == "gs://"


@pytest.mark.parametrize("method", METHODS)
def test_an_empty_order_is_one(method: str) -> None:
    """A template without containers MUST be readable; it has no environment and is not probed."""
    herder = Herder()

    assert herder.order(herder.message(f"{method}Request")()) == Order("", "", "/", {}, "", "")
