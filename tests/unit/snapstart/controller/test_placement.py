"""Target nodes (SS-B6): each condition alone keeps a node out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from reference.snapstart.controller.placement import Placement, holds
from reference.snapstart.kinds import inventory_annotation, provider_label

PROVIDER = "zygote.ref"
CLASS: Mapping[str, Any] = {
    "metadata": {"name": "fast"},
    "spec": {"providerName": PROVIDER, "supportedSnapshotModes": ["Fork"], "nodeSelector": {"pool": "snap"}},
}
LABELS: Mapping[str, str] = {provider_label(PROVIDER): "true", "pool": "snap", "zone": "a", "cpus": "8"}


def node(
    name: str = "n",
    labels: Mapping[str, str | None] | None = None,
    ready: str = "True",
    **spec: Any,
) -> dict[str, Any]:
    """A node that is a target unless an argument says otherwise; a label of None is left out."""
    merged = {**LABELS, **(labels or {})}
    return {
        "metadata": {"name": name, "labels": {k: v for k, v in merged.items() if v is not None}},
        "spec": spec,
        "status": {"conditions": [{"type": "Ready", "status": ready}]},
    }


def is_target(found: Mapping[str, Any], runtime_class: Any = None, **pod: Any) -> bool:
    """Whether a node is a target of a Pod."""
    return Placement().targets([found], CLASS, pod, runtime_class) == ["n"]


def required(*terms: Any) -> dict[str, Any]:
    """A required node affinity."""
    return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}}


def expression(key: str, operator: str, *values: str) -> dict[str, Any]:
    """A term with one expression."""
    return {"matchExpressions": [{"key": key, "operator": operator, "values": list(values)}]}


@pytest.mark.parametrize(
    "found",
    [
        node(ready="False"),
        node(ready="Unknown"),
        {**node(), "status": {}},
        node(labels={"pool": "other"}),
        node(labels={"pool": None}),
        node(labels={provider_label(PROVIDER): "false"}),
        node(labels={provider_label(PROVIDER): None}),
        node(taints=[{"key": "k", "value": "v", "effect": "NoSchedule"}]),
        node(taints=[{"key": "k", "effect": "NoExecute"}]),
        node(unschedulable=True),
    ],
)
def test_nodes_that_are_no_targets(found: Mapping[str, Any]) -> None:
    """A node MUST be Ready, of the class, with the provider, and without a taint that is not tolerated."""
    assert not is_target(found)


def test_targets() -> None:
    """What speaks against nothing MUST be a target."""
    assert is_target(node())
    assert is_target(node(taints=[{"key": "k", "effect": "PreferNoSchedule"}]))


@pytest.mark.parametrize(
    ("pod", "target"),
    [
        ({"nodeSelector": {"zone": "a"}}, True),
        ({"nodeSelector": {"zone": "b"}}, False),
        ({"nodeName": "n"}, True),
        ({"nodeName": "m"}, False),
        ({"affinity": required(expression("zone", "In", "a", "b"))}, True),
        ({"affinity": required(expression("zone", "In", "b"))}, False),
        ({"affinity": required(expression("zone", "In", "b"), expression("zone", "In", "a"))}, True),
        ({"affinity": required(expression("zone", "NotIn", "a"))}, False),
        ({"affinity": required(expression("absent", "NotIn", "a"))}, True),
        ({"affinity": required(expression("zone", "Exists"))}, True),
        ({"affinity": required(expression("absent", "Exists"))}, False),
        ({"affinity": required(expression("absent", "DoesNotExist"))}, True),
        ({"affinity": required(expression("cpus", "Gt", "4"))}, True),
        ({"affinity": required(expression("cpus", "Gt", "8"))}, False),
        ({"affinity": required(expression("cpus", "Lt", "9"))}, True),
        ({"affinity": required(expression("zone", "Gt", "4"))}, False),
        ({"affinity": required({})}, False),
        (
            {
                "affinity": required(
                    {"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["n"]}]}
                )
            },
            True,
        ),
        (
            {
                "affinity": required(
                    {"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["m"]}]}
                )
            },
            False,
        ),
    ],
)
def test_pods_that_choose(pod: dict[str, Any], target: bool) -> None:
    """nodeSelector, nodeName and required affinity of the template MUST be met."""
    assert is_target(node(), **pod) == target


TAINT = {"key": "k", "value": "v", "effect": "NoSchedule"}


@pytest.mark.parametrize(
    ("toleration", "target"),
    [
        ({"key": "k", "value": "v", "effect": "NoSchedule"}, True),
        ({"key": "k", "operator": "Equal", "value": "v"}, True),
        ({"key": "k", "operator": "Exists"}, True),
        ({"operator": "Exists"}, True),
        ({"key": "k", "value": "w"}, False),
        ({"key": "other", "operator": "Exists"}, False),
        ({"key": "k", "value": "v", "effect": "NoExecute"}, False),
    ],
)
def test_tolerations(toleration: dict[str, Any], target: bool) -> None:
    """A tainted node MUST be a target only of a Pod that tolerates the taint."""
    assert is_target(node(taints=[TAINT]), tolerations=[toleration]) == target


def test_runtime_class() -> None:
    """The scheduling of a RuntimeClass MUST count as the Pod's own."""
    runtime_class = {"scheduling": {"nodeSelector": {"zone": "b"}, "tolerations": [{"operator": "Exists"}]}}
    assert not is_target(node(), runtime_class)
    assert is_target(node(labels={"zone": "b"}, taints=[TAINT]), runtime_class)
    assert is_target(node(), {"handler": "kuasar"})


def test_inventories() -> None:
    """What a node says it holds MUST be believed only for the hash that it names; no word is no answer."""
    entry = {inventory_annotation(PROVIDER): '{"ns/key": "sha256:1"}'}
    found = {"metadata": {"name": "n", "annotations": entry}}
    assert holds(found, PROVIDER, "ns", "key", "sha256:1") is True
    assert holds(found, PROVIDER, "ns", "key", "sha256:2") is False
    assert holds(found, PROVIDER, "other", "key", "sha256:1") is False
    assert holds(found, "criu.ref", "ns", "key", "sha256:1") is None
    for text in ("{", "[]", "7"):
        entry = {inventory_annotation(PROVIDER): text}
        found = {"metadata": {"name": "n", "annotations": entry}}
        assert holds(found, PROVIDER, "ns", "key", "sha256:1") is None
