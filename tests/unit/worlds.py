"""Worlds that self-tests make: closed when the test is over."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol, TypeVar


class Closeable(Protocol):
    """What is closed."""

    def close(self) -> None:
        """End it."""


W = TypeVar("W", bound=Closeable)


def closing_all(make: Callable[..., W]) -> Iterator[Callable[..., W]]:
    """For a fixture to `yield from`: calls `make`, and closes at the end all that was made."""
    made: list[W] = []

    def kept(*arguments: object, **options: object) -> W:
        made.append(make(*arguments, **options))
        return made[-1]

    yield kept
    for world in made:
        world.close()
