"""What the controller reads in Kubernetes objects, besides what every object has. Pure."""

from __future__ import annotations

from reference.objects import (
    Object,
    annotations_of,
    as_time,
    controlled_by,
    controller_of,
    from_time,
    generation_of,
    is_controlled_by,
    is_terminating,
    labels_of,
    name_of,
    namespace_of,
    uid_of,
    version_of,
)
from reference.rollout.leases import RETIRING_ANNOTATION

__all__ = [
    "Object",
    "annotations_of",
    "as_time",
    "controlled_by",
    "controller_of",
    "from_time",
    "generation_of",
    "golden_of",
    "is_controlled_by",
    "is_marked",
    "is_terminating",
    "labels_of",
    "name_of",
    "namespace_of",
    "phase_of",
    "uid_of",
    "unmarked",
    "version_of",
    "was_ever_ready",
]


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
