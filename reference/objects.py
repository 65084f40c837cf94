"""Kubernetes objects as JSON, and what is read in any of them. Pure."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any, TypeAlias

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
