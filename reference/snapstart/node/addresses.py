"""The addresses of one node: the first is the node's own, each Pod has one of the others."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable


class NoAddress(Exception):  # noqa: N818 - a state that may pass
    """All addresses of the node are in use."""


class Addresses:
    """Gives addresses of one network, the longest unused first, so that nobody meets a predecessor's."""

    def __init__(self, network: ipaddress.IPv4Network, taken: Iterable[str] = ()) -> None:
        own, *free = (str(address) for address in network.hosts())
        #: The node's own.
        self.own = own
        used = set(taken)
        self._free = dict.fromkeys(address for address in free if address not in used)
        #: How many Pods can have one at the same time.
        self.number = len(free)

    def take(self) -> str:
        """One that nobody has. Raises NoAddress."""
        for address in self._free:
            del self._free[address]
            return address
        raise NoAddress(f"all {self.number} addresses of the node are in use")

    def give_back(self, address: str) -> None:
        """Nobody has it any more."""
        self._free[address] = None


def network(text: str) -> ipaddress.IPv4Network:
    """A network of loopback addresses, for argparse. Raises ValueError."""
    found = ipaddress.IPv4Network(text)
    if not found.is_loopback or found.num_addresses < 8:
        raise ValueError(f"{text} is no network of at least 8 loopback addresses (127.a.b.0/24)")
    return found
