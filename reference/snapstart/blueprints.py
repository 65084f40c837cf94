"""Sandboxes made from a SandboxTemplate: for builds and for sessions alike. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reference.objects import Object
from reference.snapstart.hashing import pod_spec
from reference.snapstart.kinds import SNAPSHOT_KEY


def sandbox_spec(
    template: Object,
    *,
    labels: Mapping[str, str],
    annotations: Mapping[str, str],
    pod: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The spec of a Sandbox: the template's, with more labels and annotations, and `pod` over its Pod spec.

    A restore key in the template is not passed on: who may be restored is never up to a template. As with
    Sandboxes of claims, Pods get no service account token unless the template says so.
    """
    spec = template["spec"]
    metadata = spec["podTemplate"].get("metadata") or {}
    inherited = {
        key: value for key, value in (metadata.get("annotations") or {}).items() if key != SNAPSHOT_KEY
    }
    made: dict[str, Any] = {
        "podTemplate": {
            "metadata": {
                "labels": {**(metadata.get("labels") or {}), **labels},
                "annotations": {**inherited, **annotations},
            },
            "spec": {"automountServiceAccountToken": False, **pod_spec(template), **(pod or {})},
        }
    }
    for field in ("volumeClaimTemplates", "service"):
        if spec.get(field) is not None:
            made[field] = spec[field]
    return made
