"""Small builders of API objects, for streams that are written down by hand."""

from __future__ import annotations

from typing import Any

from fixtures.kube.kinds import Kind

NAMESPACE = "asc-unit"

Object = dict[str, Any]


def build(kind: Kind, name: str, version: int, *, uid: str | None = None, **fields: Any) -> Object:
    """One state of one object. `fields` named spec or status go there, all others into metadata."""
    body = {key: fields.pop(key) for key in ("spec", "status") if key in fields}
    metadata = {"name": name, "namespace": NAMESPACE, "uid": uid or f"uid-{name}"}
    return {
        "apiVersion": kind.api_version,
        "kind": kind.name,
        "metadata": {**metadata, "resourceVersion": str(version), **fields},
        **body,
    }


def owned_by(kind: Kind, uid: str, name: str = "owner") -> list[Object]:
    """An ownerReferences list with one controller."""
    return [{"kind": kind.name, "name": name, "uid": uid, "controller": True}]


def ready(status: str = "True", reason: str = "Ready", **more: Any) -> list[Object]:
    """A conditions list with Ready alone."""
    return [{"type": "Ready", "status": status, "reason": reason, **more}]
