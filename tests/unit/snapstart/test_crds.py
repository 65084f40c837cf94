"""The CRDs of SnapStart: their schemas refuse what contract section 2 does not allow (SS-A1, SS-A4).

The schemas are checked as JSON Schema, which they are but for CEL rules and the server's own keywords.
"""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from reference.snapstart import kinds

FOLDER = Path(__file__).parents[3] / "manifests" / "snapstart" / "crds"
CRDS = {
    crd["spec"]["names"]["kind"]: crd
    for crd in (yaml.safe_load(path.read_text()) for path in sorted(FOLDER.glob("*.yaml")))
}

SNAPSHOT: dict[str, Any] = {
    "spec": {
        "snapshotMode": "Fork",
        "snapshotClassName": "fast",
        "sourceRef": {"apiGroup": "extensions.agents.x-k8s.io", "kind": "SandboxTemplate", "name": "python"},
        "forkPolicy": {"rebuildOnSourceChange": False, "rebuildAfter": "24h"},
    },
    "status": {
        "phase": "Ready",
        "readyNodeCount": 1,
        "targetNodeCount": 1,
        "readyAt": "2026-01-01T00:00:00Z",
    },
}
CLASS: dict[str, Any] = {
    "spec": {"providerName": "snapstart.kuasar.io", "supportedSnapshotModes": ["Fork"], "nodeSelector": {}}
}
TASK: dict[str, Any] = {
    "spec": {
        "snapshotRef": {"name": "s"},
        "snapshotUID": "u",
        "snapshotMode": "Fork",
        "targetSandboxRef": {"name": "s"},
        "targetNodeName": "n",
        "providerName": "p",
        "snapshotKey": "k",
        "snapshotHash": "sha256:0",
    },
    "status": {"phase": "Ready"},
}
GOOD = {"SandboxSnapshot": SNAPSHOT, "SnapshotClass": CLASS, "SandboxSnapshotTask": TASK}


def schema(kind: str) -> Any:
    """The schema of a kind."""
    (version,) = CRDS[kind]["spec"]["versions"]
    return version["schema"]["openAPIV3Schema"]


def is_valid(kind: str, found: Any) -> bool:
    """Whether an object fits the schema of its kind."""
    return bool(jsonschema.Draft202012Validator(schema(kind)).is_valid(found))


def at(found: Any, path: str) -> tuple[Any, Any]:
    """What holds the last step of a path such as `spec.sourceRef.kind`, and that step."""
    *way, last = path.split(".")
    for step in way:
        found = found[step]
    return found, last


@pytest.mark.parametrize("kind", sorted(GOOD))
def test_what_is_allowed(kind: str) -> None:
    """What the contract allows MUST fit."""
    assert is_valid(kind, GOOD[kind])


@pytest.mark.parametrize(
    ("kind", "path"),
    [
        ("SandboxSnapshot", "spec"),
        ("SandboxSnapshot", "spec.snapshotMode"),
        ("SandboxSnapshot", "spec.snapshotClassName"),
        ("SandboxSnapshot", "spec.sourceRef"),
        ("SandboxSnapshot", "spec.sourceRef.apiGroup"),
        ("SandboxSnapshot", "spec.sourceRef.kind"),
        ("SandboxSnapshot", "spec.sourceRef.name"),
        ("SnapshotClass", "spec"),
        ("SnapshotClass", "spec.providerName"),
        ("SnapshotClass", "spec.supportedSnapshotModes"),
        *(("SandboxSnapshotTask", f"spec.{field}") for field in TASK["spec"]),
    ],
)
def test_required_fields(kind: str, path: str) -> None:
    """SS-A1: without a required field an object MUST NOT fit."""
    found = copy.deepcopy(GOOD[kind])
    holder, field = at(found, path)
    del holder[field]
    assert not is_valid(kind, found)


@pytest.mark.parametrize(
    ("kind", "path", "value"),
    [
        ("SandboxSnapshot", "spec.snapshotMode", "Clone"),
        ("SandboxSnapshot", "spec.snapshotMode", "fork"),
        ("SandboxSnapshot", "spec.snapshotClassName", ""),
        ("SandboxSnapshot", "spec.forkPolicy.rebuildOnSourceChange", "yes"),
        ("SandboxSnapshot", "status.phase", "Invalidated"),
        ("SandboxSnapshot", "status.readyNodeCount", -1),
        ("SnapshotClass", "spec.supportedSnapshotModes", []),
        ("SnapshotClass", "spec.supportedSnapshotModes", ["Clone"]),
        ("SnapshotClass", "spec.providerName", ""),
        ("SnapshotClass", "spec.providerName", "a/b"),
        ("SandboxSnapshotTask", "spec.snapshotMode", "Clone"),
        ("SandboxSnapshotTask", "status.phase", "Creating"),
    ],
)
def test_wrong_values(kind: str, path: str, value: object) -> None:
    """SS-A1, SS-A4: an unknown mode or phase, an empty list of modes, or an empty name MUST NOT fit."""
    found = copy.deepcopy(GOOD[kind])
    holder, field = at(found, path)
    holder[field] = value
    assert not is_valid(kind, found)


@pytest.mark.parametrize("kind", sorted(CRDS))
def test_names(kind: str) -> None:
    """A CRD's names and scope MUST be those that the programs use."""
    spec = CRDS[kind]["spec"]
    info = getattr(kinds, kind)._api_info
    assert (spec["group"], spec["versions"][0]["name"]) == (info.resource.group, info.resource.version)
    assert spec["names"]["plural"] == info.plural
    assert (spec["scope"] == "Namespaced") == ("Namespaced" in getattr(kinds, kind).__mro__[1].__name__)
    assert CRDS[kind]["metadata"]["name"] == f"{spec['names']['plural']}.{spec['group']}"


def test_status_is_apart() -> None:
    """The status of snapshots and tasks MUST be a subresource, so that rights to it can be given alone."""
    for kind in ("SandboxSnapshot", "SandboxSnapshotTask"):
        assert CRDS[kind]["spec"]["versions"][0]["subresources"] == {"status": {}}
