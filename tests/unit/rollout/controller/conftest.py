"""What the controller's self-tests share."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from reference.rollout.controller.dialect import DIALECTS
from reference.rollout.controller.mutants import mutated
from tests.unit.rollout.controller.world import World
from tests.unit.worlds import closing_all

MakeWorld = Callable[..., World]


@pytest.fixture
def make_world() -> Iterator[MakeWorld]:
    """A world for a dialect, with mutants."""

    def make(dialect: str = "v1_safe", *mutants: str, agent: str = "my-agent") -> World:
        return World(mutated(DIALECTS[dialect], mutants), agent)

    yield from closing_all(make)


@pytest.fixture
def world(make_world: MakeWorld) -> World:
    """The world of v1_safe."""
    return make_world()
