"""ateapi's orders to an atelet, read in the layouts of two releases."""

from __future__ import annotations

import pytest

from fixtures.system.rollout.real.atelet.messages import METHODS, Herder, Layout, Order

#: Actor a1 of template ns/t, whose container has A=1 and is probed on /health, as each release writes it.
RUN = {
    Layout.FLAT: (
        b"\x1a\x02ns\x22\x01t\x2a\x02a1\x3a\x15\x0a\x13\x0a\x05agent\x12\x02i@\x22\x06\x0a\x01A\x12\x011"
    ),
    Layout.ATESPACES: (
        b"\x12\x05space\x1a\x02a1\x22\x02ns\x2a\x01t"
        b"\x32\x25\x0a\x23\x0a\x05agent\x12\x02i@\x22\x06\x0a\x01A\x12\x011"
        b"\x2a\x0e\x0a\x0c\x0a\x07/health\x10\x90\x3f"
    ),
}
ORDERS = {
    Layout.FLAT: Order("", "a1", "ns/t", {"A": "1"}, readyz="", snapshot=""),
    Layout.ATESPACES: Order("space", "a1", "ns/t", {"A": "1"}, readyz="/health", snapshot=""),
}


@pytest.mark.parametrize("layout", Layout)
def test_an_order_is_read_from_the_wire(layout: Layout) -> None:
    """What a release writes MUST be read by that release's field numbers."""
    herder = Herder(layout)

    assert herder.order(herder.message("RunRequest").FromString(RUN[layout])) == ORDERS[layout]


@pytest.mark.parametrize("method", ["Checkpoint", "Restore"])
@pytest.mark.parametrize(
    ("layout", "config"),
    [
        (Layout.FLAT, b"\x42\x05gs://"),
        (Layout.ATESPACES, b"\x38\x02\x4a\x07\x0a\x05gs://"),
        # Of a paused actor, whose snapshot stays on its node.
        (Layout.ATESPACES, b"\x38\x01\x42\x07\x0a\x05gs://"),
    ],
)
def test_a_snapshot_is_named(layout: Layout, config: bytes, method: str) -> None:
    """Where memory is saved to, and read from, MUST be what the order says, external or local."""
    herder = Herder(layout)
    request = herder.message(f"{method}Request").FromString(config)

    assert herder.order(request).snapshot == "gs://"


@pytest.mark.parametrize("layout", Layout)
@pytest.mark.parametrize("method", METHODS)
def test_an_empty_order_is_one(layout: Layout, method: str) -> None:
    """A template without containers MUST be readable; it has no environment and is not probed."""
    herder = Herder(layout)

    assert herder.order(herder.message(f"{method}Request")()) == Order("", "", "/", {}, "", "")
