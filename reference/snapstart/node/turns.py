"""Turns for what must not be done too often at once: a number of places, and a line of those that wait."""

from __future__ import annotations

from collections.abc import Callable


class Turns:
    """At most `places` holders at a time, first come first served; 0 places are no limit.

    `called(who)` is called when the turn of somebody who waited has come, who then asks again.
    """

    def __init__(self, places: int, called: Callable[[str], None]) -> None:
        self._places = places
        self._called = called
        self._holders: set[str] = set()
        self._line: dict[str, None] = {}

    def __contains__(self, who: str) -> bool:
        return who in self._holders

    def __len__(self) -> int:
        return len(self._holders)

    def take(self, who: str) -> bool:
        """Whether it is their turn; if not, they are called when it is."""
        if who in self._holders:
            return True
        if self._places and len(self._holders) >= self._places:
            self._line.setdefault(who)
            return False
        self._line.pop(who, None)
        self._holders.add(who)
        return True

    def leave(self, who: str) -> None:
        """They need no turn, or no longer."""
        self._line.pop(who, None)
        if who in self._holders:
            self._holders.discard(who)
            for first in self._line:
                del self._line[first]
                # Theirs from now on, so that nobody comes between.
                self._holders.add(first)
                self._called(first)
                break
