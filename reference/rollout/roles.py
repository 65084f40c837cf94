"""Which template of an agent has which role: the order that controller and gateway use (contract section 4).

Templates are ActorTemplate objects as JSON, all of one agent. Marked and terminating ones have no role.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from reference.rollout.leases import RETIRING_ANNOTATION

#: The values of --dialect: the project's own, kagent's pull request as reviewed, K2, K3 and API v2 (contract
#: section 1).
DIALECTS = ("v1_safe", "v1", "retain", "pinned", "refcount")

#: Annotation of a template with its place in the order, an integer (contract section 3).
DESIRED_GENERATION = "kagent.dev/desired-generation"

Template = Mapping[str, Any]
T = TypeVar("T", bound=Template)


def in_order(templates: Iterable[Template], dialect: str) -> list[Template]:
    """The templates that have a role, the most desired first.

    V1 goes by creationTimestamp alone, whose grain is a second; where that says nothing it keeps the order in
    which it was given them. The others go by desired-generation, creationTimestamp and name.
    """
    found = [t for t in templates if not is_going(t)]
    if dialect == "v1":
        return sorted(found, key=_created, reverse=True)
    by_name = sorted(found, key=lambda t: str(t["metadata"]["name"]))
    return sorted(by_name, key=lambda t: (desired_generation(t), _created(t)), reverse=True)


def active(templates: Iterable[Template], dialect: str) -> Template | None:
    """The template that new work goes to: the most desired of those that are Ready; None if none is."""
    return first_ready(in_order(templates, dialect))


def first_ready(ordered: Iterable[T]) -> T | None:
    """The most desired of templates in order that is Ready; None if none is."""
    return next((t for t in ordered if is_ready(t)), None)


def is_ready(template: Template) -> bool:
    """Whether its golden snapshot can be restored."""
    return bool(template.get("status", {}).get("phase") == "Ready")


def is_going(template: Template) -> bool:
    """Whether it is terminating or marked for it."""
    metadata = template["metadata"]
    return "deletionTimestamp" in metadata or RETIRING_ANNOTATION in (metadata.get("annotations") or {})


def desired_generation(template: Template) -> int:
    """The value of its annotation; 0 without one, or with one that is no number."""
    text = (template["metadata"].get("annotations") or {}).get(DESIRED_GENERATION, "")
    return int(text) if text.isdigit() else 0


def _created(template: Template) -> str:
    # RFC 3339 in UTC: sorts as text.
    return str(template["metadata"].get("creationTimestamp", ""))
