"""What the session front's self-tests share."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.unit.snapstart.front.world import World
from tests.unit.worlds import closing_all

MakeWorld = Callable[..., World]


@pytest.fixture
def make_world() -> Iterator[MakeWorld]:
    """A world, with arguments of `World`."""
    yield from closing_all(World)


@pytest.fixture
def world(make_world: MakeWorld) -> World:
    """A template with a Ready snapshot."""
    return make_world()
