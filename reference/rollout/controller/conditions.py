"""The conditions of an agent: whether its config was accepted, and whether a template serves. Pure.

Neither says whether a rollout is complete (contract section 2): Ready is True as long as any template serves.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reference.rollout import roles
from reference.rollout.controller.objects import Object, as_time, generation_of, name_of


@dataclass(frozen=True)
class Condition:
    """One condition: `status` is "True", "False" or "Unknown"."""

    type: str
    status: str
    reason: str
    message: str


def accepted() -> Condition:
    """The config was applied."""
    return Condition("Accepted", "True", "Reconciled", "the config is applied")


def waiting(template: str) -> Condition:
    """The config is right, but the object of its name has to go first (contract 5.1, step 7)."""
    message = f"ActorTemplate {template} is being retired and is made anew once it is gone"
    return Condition("Accepted", "True", "Reconciled", message)


def not_accepted(message: str) -> Condition:
    """The config was not applied."""
    return Condition("Accepted", "False", "ReconcileFailed", message)


def readiness(ordered: Sequence[Object]) -> Condition:
    """Whether one of the templates, in order, serves."""
    active = roles.first_ready(ordered)
    if active is not None:
        return Condition("Ready", "True", "WorkloadReady", f"ActorTemplate {name_of(active)} serves")
    if not ordered:
        return Condition("Ready", "False", "ActorTemplateNotFound", "there is no ActorTemplate yet")
    newest = name_of(ordered[0])
    message = f"the golden snapshot of ActorTemplate {newest} is not there yet"
    return Condition("Ready", "False", "ActorTemplateNotReady", message)


def revision_readiness(ordered: Sequence[Object]) -> Condition:
    """API v2: whether the most desired template serves, though another one may (V2-3)."""
    if ordered and not roles.is_ready(ordered[0]):
        message = f"ActorTemplate {name_of(ordered[0])} waits for its golden snapshot"
        return Condition("Ready", "False", "ActorTemplatePending", message)
    return readiness(ordered)


def conflicting(template: str) -> Condition:
    """API v2: what has the name of the revision's template is not what was rendered (V2-4)."""
    message = f"ActorTemplate {template} exists and differs from the revision"
    return Condition("Ready", "False", "ActorTemplateConflict", message)


def recreating(template: str) -> Condition:
    """Dialect K3: the template differs from what is rendered under its name, and is replaced."""
    return Condition("Ready", "False", "ActorTemplateRecreating", f"ActorTemplate {template} is recreated")


def templates_unknown(message: str) -> Condition:
    """The templates could not be listed."""
    return Condition("Ready", "Unknown", "ActorTemplateListFailed", message)


def status_of(
    agent: Object,
    conditions: Iterable[Condition],
    now: datetime.datetime,
    revisions: Mapping[str, str] | None = None,
) -> dict[str, Any] | None:
    """The status of an agent with these conditions, None if it says so already.

    The time of a condition is that of the last change of its status; conditions of other types stay, and so
    do fields that `revisions` does not name.
    """
    further = revisions or {}
    before = agent.get("status") or {}
    known: dict[str, Mapping[str, Any]] = {found["type"]: found for found in before.get("conditions") or ()}
    merged = dict(known)
    for condition in conditions:
        merged[condition.type] = _written(condition, known.get(condition.type), generation_of(agent), now)
    status = {
        "observedGeneration": generation_of(agent),
        "conditions": [merged[type_] for type_ in sorted(merged)],
        **further,
    }
    known_status = {
        "observedGeneration": before.get("observedGeneration"),
        "conditions": [known[type_] for type_ in sorted(known)],
        **{field: before.get(field) for field in further},
    }
    return None if status == known_status else status


def _written(
    condition: Condition, before: Mapping[str, Any] | None, generation: int, now: datetime.datetime
) -> dict[str, Any]:
    unchanged = before is not None and before["status"] == condition.status
    return {
        "type": condition.type,
        "status": condition.status,
        "reason": condition.reason,
        "message": condition.message,
        "observedGeneration": generation,
        "lastTransitionTime": before["lastTransitionTime"] if unchanged and before else as_time(now),
    }
