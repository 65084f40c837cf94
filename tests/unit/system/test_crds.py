"""The controller's CRDs, made fit for a cluster without conversion webhook."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from fixtures.errors import UsageError
from fixtures.system.agent_sandbox import crds


def definition(name: str) -> dict[str, Any]:
    """A CRD as the controller's module has it up to v0.5.6."""
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": name, "annotations": {"generated": "yes"}},
        "spec": {
            "group": name.partition(".")[2],
            "conversion": {"strategy": "Webhook", "webhook": {"clientConfig": {"service": {"name": "none"}}}},
            "versions": [
                {"name": "v1alpha1", "served": True, "storage": False, "schema": {"old": True}},
                {"name": "v1beta1", "served": True, "storage": True, "schema": {"new": True}},
            ],
        },
    }


def write(folder: Path, *names: str) -> None:
    """One file for each name."""
    for name in names:
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(definition(name)))


def test_conversion_and_the_old_version_are_removed(tmp_path: Path) -> None:
    """What is applied MUST have no conversion, serve the stored version alone, and keep the schemas."""
    write(tmp_path, *crds.NAMES)

    read = crds.read(tmp_path)

    assert [crd["metadata"] for crd in read] == [{"name": name} for name in crds.NAMES]
    for crd in read:
        assert crd["spec"] == {
            "group": crd["metadata"]["name"].partition(".")[2],
            "versions": [
                {"name": "v1alpha1", "served": False, "storage": False, "schema": {"old": True}},
                {"name": "v1beta1", "served": True, "storage": True, "schema": {"new": True}},
            ],
        }


def test_other_documents_are_passed_over(tmp_path: Path) -> None:
    """Several documents in a file, empty ones, other kinds and other files MUST do no harm."""
    documents = [yaml.safe_dump(definition(name)) for name in (*crds.NAMES, "others.example.test")]
    (tmp_path / "all.yaml").write_text("---\n---\n".join(["kind: Role\n", *documents]))
    (tmp_path / "README.md").write_text("{not yaml")

    assert [crd["metadata"]["name"] for crd in crds.read(tmp_path)] == list(crds.NAMES)


def test_missing_ones_are_named(tmp_path: Path) -> None:
    """A folder without all four MUST be refused with the names that it lacks, and the option."""
    write(tmp_path, *crds.NAMES[:2])

    with pytest.raises(UsageError) as caught:
        crds.read(tmp_path)

    assert str(caught.value) == (
        f"{tmp_path} has no CRD sandboxtemplates.extensions.agents.x-k8s.io, "
        "sandboxwarmpools.extensions.agents.x-k8s.io. Name the right folder with --crds DIR."
    )


def test_loose_crds_constrain_nothing() -> None:
    """Constraints MUST go and be counted; fields of the same names, and keys of lists that are maps, stay."""
    keyed = {
        "type": "array",
        "x-kubernetes-list-map-keys": ["name"],
        "items": {"type": "object", "required": ["name"]},
    }
    schema = {
        "type": "object",
        "required": ["default"],
        "x-kubernetes-validations": [{"rule": "true"}],
        "properties": {
            "default": {"type": "string", "enum": ["a"], "default": "a"},
            "counts": {"type": "array", "items": {"type": "integer", "minimum": 0}},
            "keyed": keyed,
        },
    }
    version = {"schema": {"openAPIV3Schema": schema}, "subresources": {"scale": {}, "status": {}}}

    loose, count = crds.loosened({"metadata": {"name": "x"}, "spec": {"versions": [version]}})

    [changed] = loose["spec"]["versions"]
    assert changed["subresources"] == {"status": {}}
    assert changed["schema"]["openAPIV3Schema"] == {
        "type": "object",
        "properties": {
            "default": {"type": "string"},
            "counts": {"type": "array", "items": {"type": "integer"}},
            "keyed": keyed,
        },
    }
    assert count == 6
    # The original is to be restored later.
    assert version["subresources"] == {"scale": {}, "status": {}}
