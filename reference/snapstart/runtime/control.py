"""How a driver captures a runtime that waits at its safe point.

The runtime listens on a UNIX socket of packets beside its inject socket (`control_path`). A driver connects
and sends an order; the runtime obeys and answers `Captured`, or refuses with `Refused`.

`Capture`: the runtime forks the template, which has the connection from then on. For each session the driver
sends `Fork` with one end of a pair of stream sockets, over which the injection is to be done; the template
forks again and answers `Forked`. What a session gets goes through that pair, never through the template.
The template ends with the connection.

`Expose`: the runtime forks a process that can be written to disk.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

#: Most bytes of a packet.
PACKET: Final = 4096


def control_path(inject_socket: Path) -> Path:
    """Where a runtime listens for drivers."""
    return inject_socket.with_name(inject_socket.name + ".control")


@dataclass(frozen=True)
class Capture:
    """Make a template of yourself."""


@dataclass(frozen=True)
class Expose:
    """Fork a process that waits for its injection at `inject_socket`, and has no connection to anybody.

    It is there to be written to disk. It ends when its socket is gone from where it was.
    """

    inject_socket: str


@dataclass(frozen=True)
class Captured:
    """What was forked is there: its process, and what the witness of all its sessions will say."""

    pid: int
    boot_id: str
    preload_ns: int


@dataclass(frozen=True)
class Refused:
    """No template was made."""

    why: str


@dataclass(frozen=True)
class Fork:
    """Fork a session. `number` comes back with the answer."""

    number: int


@dataclass(frozen=True)
class Forked:
    """The process of a session that awaits its injection."""

    number: int
    pid: int


#: What a driver begins with.
Order = Capture | Expose
Packet = Order | Captured | Refused | Fork | Forked
_KINDS: Final[dict[str, type[Packet]]] = {
    kind.__name__: kind for kind in (Capture, Expose, Captured, Refused, Fork, Forked)
}


def encode(packet: Packet) -> bytes:
    """A packet as it is sent."""
    return json.dumps({"kind": type(packet).__name__, **asdict(packet)}).encode()


def decode(data: bytes) -> Packet:
    """A packet as it came. Raises ValueError."""
    try:
        fields = json.loads(data)
        return _KINDS[fields.pop("kind")](**fields)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as err:
        raise ValueError(f"{data[:80]!r} is no packet of a driver or template") from err
