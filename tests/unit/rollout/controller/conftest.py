"""What the controller's self-tests share."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from reference.rollout.controller.dialect import DIALECTS
from reference.rollout.controller.mutants import mutated
from tests.unit.rollout.controller.world import World

MakeWorld = Callable[..., World]


@pytest.fixture
def make_world() -> Iterator[MakeWorld]:
    """A world for a dialect, with mutants."""
    made: list[World] = []

    def make(dialect: str = "v1_safe", *mutants: str, agent: str = "my-agent") -> World:
        made.append(World(mutated(DIALECTS[dialect], mutants), agent))
        return made[-1]

    yield make
    for world in made:
        world.close()


@pytest.fixture
def world(make_world: MakeWorld) -> World:
    """The world of v1_safe."""
    return make_world()
