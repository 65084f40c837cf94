"""What a wrong part of the load measurement is: a lie, told within a block, and who must notice."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import NamedTuple


class Fired:
    """How often a lie made a difference; one that never did proves nothing."""

    def __init__(self) -> None:
        self.times = 0

    def __call__(self, often: int = 1) -> None:
        self.times += often


class Mutant(NamedTuple):
    """A lie, and the tests that must go red by it, each by itself: `module.function` of this folder."""

    lie: Callable[[], AbstractContextManager[Fired]]
    killed_by: tuple[str, ...]
