"""Faults that a test draws: each that struck is counted, and none that struck is no test."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from fixtures.errors import Undecided
from fixtures.faults import WRITES, Faults


@dataclass
class StubRule:
    """A rule that had so many hits."""

    name: str
    hits: int


@dataclass
class StubSaboteur:
    """Writes down the rules that are switched on and off; each has one hit more than the one before."""

    first: int = 1
    on: list[StubRule] = field(default_factory=list)
    asked: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def rule(self, name: str, **parameters: Any) -> StubRule:
        made = StubRule(name, self.first + len(self.on) if self.first else 0)
        self.on.append(made)
        self.asked.append((name, parameters))
        return made

    def stop(self, rule: StubRule) -> int:
        self.on.remove(rule)
        return rule.hits


def faults(saboteur: StubSaboteur, seed: int = 1) -> Faults:
    """Faults that are drawn by a seed."""
    return Faults(cast("Any", saboteur), random.Random(seed), lambda text: None)


def test_every_fault_that_struck_is_counted() -> None:
    """Several faults of one kind MUST be added up, also after they are off."""
    saboteur = StubSaboteur()
    made = faults(saboteur)
    for _ in range(3):
        made.expire_watches()

    made.stop()
    made.count()

    assert made.hits == {"expire-watches all": 1 + 2 + 3}
    assert saboteur.on == []


def test_faults_without_effect_decide_nothing() -> None:
    """A test whose faults never struck MUST be undecided."""
    made = faults(StubSaboteur(first=0))
    made.close_watches()

    with pytest.raises(Undecided, match="no fault had an effect"):
        made.stop()


def test_the_same_seed_draws_the_same_faults() -> None:
    """Faults of every kind of write MUST be drawn by the seed alone."""
    drawn = []
    for seed in (1, 1, 2):
        saboteur = StubSaboteur()
        faults(saboteur, seed).refuse_writes(500)
        drawn.append(saboteur.asked)

    assert drawn[0] == drawn[1] != drawn[2]
    assert {(p["plural"], p["subresource"]) for _, p in drawn[0]} == set(WRITES)
