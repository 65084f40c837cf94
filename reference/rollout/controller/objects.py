"""Kubernetes objects as JSON, and what the controller reads in them. Pure."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any, TypeAlias

from reference.rollout.leases import RETIRING_ANNOTATION

Object: TypeAlias = Mapping[str, Any]

_TIME = "%Y-%m-%dT%H:%M:%SZ"


def name_of(found: Object) -> str:
    """Its name."""
    return str(found["metadata"]["name"])


def namespace_of(found: Object) -> str:
    """Its namespace, "" where it has none."""
    return str(found["metadata"].get("namespace", ""))


def uid_of(found: Object) -> str:
    """Its UID."""
    return str(found["metadata"]["uid"])


def version_of(found: Object) -> str:
    """Its resourceVersion."""
    return str(found["metadata"]["resourceVersion"])


def generation_of(found: Object) -> int:
    """Its generation."""
    return int(found["metadata"].get("generation", 0))


def labels_of(found: Object) -> Mapping[str, str]:
    """Its labels."""
    return found["metadata"].get("labels") or {}


def annotations_of(found: Object) -> Mapping[str, str]:
    """Its annotations."""
    return found["metadata"].get("annotations") or {}


def is_terminating(found: Object) -> bool:
    """Whether it is being deleted."""
    return found["metadata"].get("deletionTimestamp") is not None


def is_marked(template: Object) -> bool:
    """Whether a template is marked for its retirement (contract 5.1, step 4)."""
    return RETIRING_ANNOTATION in annotations_of(template)


def unmarked(template: Object) -> Object:
    """A template as it was before it was marked."""
    rest = {key: value for key, value in annotations_of(template).items() if key != RETIRING_ANNOTATION}
    return {**template, "metadata": {**template["metadata"], "annotations": rest}}


def phase_of(template: Object) -> str:
    """How far its golden machine is, "" at first."""
    return str((template.get("status") or {}).get("phase", ""))


def golden_of(template: Object) -> str:
    """The golden actor that a template's status names, "" if none."""
    return str((template.get("status") or {}).get("goldenActorID", ""))


def was_ever_ready(template: Object) -> bool:
    """Whether it has, or had, a golden snapshot."""
    return phase_of(template) == "Ready" or bool((template.get("status") or {}).get("goldenSnapshot"))


def controller_of(found: Object) -> Mapping[str, Any] | None:
    """The owner reference of the object that controls it, None if nothing does."""
    owners = found["metadata"].get("ownerReferences") or ()
    return next((owner for owner in owners if owner.get("controller")), None)


def is_controlled_by(found: Object, uid: str) -> bool:
    """Whether the object with this UID controls it."""
    owner = controller_of(found)
    return owner is not None and owner["uid"] == uid


def controlled_by(owner: Object) -> list[dict[str, Any]]:
    """Owner references of what `owner` controls."""
    return [
        {
            "apiVersion": owner["apiVersion"],
            "kind": owner["kind"],
            "name": name_of(owner),
            "uid": uid_of(owner),
            "controller": True,
            "blockOwnerDeletion": True,
        }
    ]


def as_time(at: datetime.datetime) -> str:
    """A time as Kubernetes writes it: UTC, whole seconds."""
    return at.astimezone(datetime.UTC).strftime(_TIME)


def from_time(text: str) -> datetime.datetime:
    """A time as Kubernetes writes it."""
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))
