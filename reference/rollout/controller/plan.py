"""Who is desired, active and superseded, and what may be retired (contract sections 4 and 5.1). Pure.

The order itself is `roles.in_order`, which the gateway goes by too. "In order" means: the most desired first,
without those that are terminating or marked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from reference.rollout import roles
from reference.rollout.controller.objects import (
    Object,
    is_marked,
    is_terminating,
    name_of,
    unmarked,
    was_ever_ready,
)

#: Puts templates in order.
Order: TypeAlias = Callable[[Iterable[Object]], Sequence[Object]]


@dataclass(frozen=True)
class Roles:
    """The roles of an agent's templates. `desired` is None until it is there, `active` until one is Ready."""

    desired: Object | None
    active: Object | None
    superseded: tuple[Object, ...]


def assigned(ordered: Sequence[Object], desired: str | None) -> Roles:
    """The roles of templates in order; `desired` names the template of the config as rendered now.

    Where the config cannot be rendered (None), the most desired template so far stays the desired one.
    """
    if desired is None:
        wanted = ordered[0] if ordered else None
    else:
        wanted = next((t for t in ordered if name_of(t) == desired), None)
    active = roles.first_ready(ordered)
    rest = tuple(t for t in ordered if t is not wanted and t is not active)
    return Roles(wanted, active, rest)


def marked(templates: Iterable[Object]) -> list[Object]:
    """The templates whose retirement has begun and whose object is still whole, by name."""
    return sorted((t for t in templates if is_marked(t) and not is_terminating(t)), key=name_of)


def licensed(template: Object, ordered: Sequence[Object], order: Order) -> bool:
    """Whether step 1 allows to retire: a more desired one is Ready, or there is one and this never was.

    `template` is not terminating, but may be marked, and so not be in order.
    """
    more = _more_desired(template, ordered, order)
    return any(roles.is_ready(t) for t in more) or (not was_ever_ready(template) and bool(more))


def _more_desired(template: Object, ordered: Sequence[Object], order: Order) -> Sequence[Object]:
    """The templates in order that come before this one."""
    others = [t for t in ordered if name_of(t) != name_of(template)]
    ranked = order([*others, unmarked(template)])
    return ranked[: [name_of(t) for t in ranked].index(name_of(template))]


def next_generation(agent_generation: int, others: Iterable[Object]) -> int:
    """The place in the order that is strictly before all others (RO-1)."""
    return max([agent_generation, *(1 + roles.desired_generation(t) for t in others)])


def is_strictly_first(template: Object, others: Iterable[Object]) -> bool:
    """Whether a template is before all others without help of creation times or names (D6)."""
    return all(roles.desired_generation(template) > roles.desired_generation(t) for t in others)
