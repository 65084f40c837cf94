"""A dialect: one strategy for each part of a pass. The dialects differ in nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Final

from reference.rollout import roles
from reference.rollout.controller.applying import (
    Applying,
    PinnedApplying,
    RevisionApplying,
    SafeApplying,
    V1Applying,
)
from reference.rollout.controller.deleting import Deleting, V1Deleting
from reference.rollout.controller.flows import Flow, RevisionFlow, V1Flow
from reference.rollout.controller.objects import Object, is_controlled_by, uid_of
from reference.rollout.controller.rendering import (
    PinnedRendering,
    Rendering,
    RetainRendering,
    RevisionRendering,
    SafeRendering,
    V1Rendering,
)
from reference.rollout.controller.retiring import RefcountRetiring, Retiring, SafeRetiring, V1Retiring


def owned(agent: Object, template: Object) -> bool:
    """Whether this very agent controls a template that carries its name."""
    return is_controlled_by(template, uid_of(agent))


def named(agent: Object, template: Object) -> bool:
    """What carries an agent's name is its."""
    return True


@dataclass(frozen=True)
class Dialect:
    """The strategies of one dialect."""

    name: str
    rendering: type[Rendering]
    applying: Applying
    retiring: Retiring
    deleting: Deleting
    flow: Flow
    #: Templates without those that have no role, the most desired first.
    order: Callable[[Iterable[Object]], list[Object]]
    #: Whether a template that carries an agent's name is the agent's.
    owns: Callable[[Object, Object], bool]


def _order(name: str) -> Callable[[Iterable[Object]], list[Object]]:
    return partial(roles.in_order, dialect=name)


SAFE: Final = Dialect(
    "v1_safe",
    SafeRendering,
    SafeApplying(),
    SafeRetiring(),
    Deleting(),
    Flow(),
    _order("v1_safe"),
    owned,
)

V1: Final = Dialect(
    "v1", V1Rendering, V1Applying(), V1Retiring(), V1Deleting(), V1Flow(), _order("v1"), named
)

RETAIN: Final = Dialect(
    "retain", RetainRendering, V1Applying(), Retiring(), Deleting(), Flow(), _order("retain"), named
)

PINNED: Final = Dialect(
    "pinned", PinnedRendering, PinnedApplying(), Retiring(), Deleting(), Flow(), _order("pinned"), named
)

REFCOUNT: Final = Dialect(
    "refcount",
    RevisionRendering,
    RevisionApplying(),
    RefcountRetiring(),
    Deleting(),
    RevisionFlow(),
    _order("refcount"),
    owned,
)

DIALECTS: Final = {dialect.name: dialect for dialect in (SAFE, V1, RETAIN, PINNED, REFCOUNT)}
