"""Small pieces of the runtime that need no process."""

from __future__ import annotations

from pathlib import Path

import pytest

from reference.snapstart.runtime import control
from reference.snapstart.runtime.placement import Placement


@pytest.mark.parametrize(
    "packet",
    [
        control.Capture(),
        control.Captured(7, "boot", 5),
        control.Refused("not safe"),
        control.Fork(3),
        control.Forked(3, 8),
    ],
)
def test_packets_come_back_as_they_were(packet: control.Packet) -> None:
    """Every packet MUST be decoded to itself."""
    assert control.decode(control.encode(packet)) == packet


@pytest.mark.parametrize(
    "data", [b"", b"{", b"[]", b"{}", b'{"kind": "Other"}', b'{"kind": "Fork"}', b"\xff", b"[" * 4000]
)
def test_other_packets_are_refused(data: bytes) -> None:
    """Anything else MUST be a ValueError that shows it."""
    with pytest.raises(ValueError, match="is no packet of a driver or template"):
        control.decode(data)


@pytest.mark.parametrize(
    "placement",
    [
        Placement(),
        Placement(("127.0.0.1", 80), Path("/w"), Path("/log"), 5),
        Placement(("::1", 8080)),
        Placement(workspace=Path("/w")),
    ],
)
def test_placements_come_back_as_they_were(placement: Placement) -> None:
    """A placement MUST survive the way through variables."""
    assert Placement.of({"OTHER": "x", **placement.variables()}) == placement


@pytest.mark.parametrize(
    ("variables", "complaint"),
    [
        ({"SNAPSTART_LISTEN": "8080"}, "SNAPSTART_LISTEN='8080' is not host:port"),
        ({"SNAPSTART_LISTEN": ":8080"}, "is not host:port"),
        ({"SNAPSTART_LISTEN": "h:0"}, "is not host:port"),
        ({"SNAPSTART_LISTEN": "h:65536"}, "is not host:port"),
        ({"SNAPSTART_LISTEN": "h:-1"}, "is not host:port"),
        ({"SNAPSTART_WORKSPACE": "w"}, "w is not an absolute path"),
        ({"SNAPSTART_LOG": ""}, "is not an absolute path"),
        ({"SNAPSTART_CLOCK_NS": "soon"}, "invalid literal"),
    ],
)
def test_impossible_placements_are_refused(variables: dict[str, str], complaint: str) -> None:
    """A placement that cannot be MUST be a ValueError that shows it."""
    with pytest.raises(ValueError, match=complaint):
        Placement.of(variables)
