"""Which nodes a snapshot is built on (SS-B6), and which can use what was built. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from reference.objects import Object, annotations_of, labels_of, name_of
from reference.snapstart.kinds import inventory_annotation, inventory_entry, provider_label

#: Effects of taints that keep Pods away.
_REPELLING: Final = frozenset({"NoSchedule", "NoExecute"})
_UNSCHEDULABLE: Final = {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}


class Placement:
    """Targets are Ready nodes of the class with the provider on which the Pod could be placed."""

    def targets(
        self,
        nodes: Iterable[Object],
        snapshot_class: Object,
        spec: Mapping[str, Any],
        runtime_class: Object | None,
    ) -> list[str]:
        """The names of the target nodes, sorted."""
        return sorted(
            name_of(node)
            for node in nodes
            if self.serves(node, snapshot_class) and self.admits(node, spec, runtime_class)
        )

    def serves(self, node: Object, snapshot_class: Object) -> bool:
        """Whether a node is Ready, of the class, and has the provider."""
        wanted = {
            **(snapshot_class["spec"].get("nodeSelector") or {}),
            provider_label(snapshot_class["spec"]["providerName"]): "true",
        }
        return is_ready(node) and _selected(node, wanted)

    def admits(self, node: Object, spec: Mapping[str, Any], runtime_class: Object | None) -> bool:
        """Whether the scheduler would let a Pod of this spec onto the node."""
        scheduling = (runtime_class or {}).get("scheduling") or {}
        wanted = {**(scheduling.get("nodeSelector") or {}), **(spec.get("nodeSelector") or {})}
        tolerations = [*(spec.get("tolerations") or ()), *(scheduling.get("tolerations") or ())]
        return (
            spec.get("nodeName") in (None, "", name_of(node))
            and _selected(node, wanted)
            and _has_affinity(node, spec)
            and all(any(_tolerates(t, taint) for t in tolerations) for taint in _taints(node))
        )


def is_ready(node: Object) -> bool:
    """Whether its kubelet says that it is Ready, and it is not on its way out."""
    conditions = (node.get("status") or {}).get("conditions") or ()
    ready = any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)
    return ready and node["metadata"].get("deletionTimestamp") is None


def inventory(node: Object, provider: str) -> Mapping[str, str] | None:
    """The artifacts that a node says it holds, by entry, with their hashes; None if it does not say."""
    text = annotations_of(node).get(inventory_annotation(provider))
    if text is None:
        return None
    try:
        found = json.loads(text)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def holds(node: Object, provider: str, namespace: str, key: str, snapshot_hash: str) -> bool | None:
    """Whether a node says that it holds an artifact; None if it does not say."""
    found = inventory(node, provider)
    return None if found is None else found.get(inventory_entry(namespace, key)) == snapshot_hash


def _selected(node: Object, labels: Mapping[str, str]) -> bool:
    return all(labels_of(node).get(key) == value for key, value in labels.items())


def _taints(node: Object) -> list[Mapping[str, Any]]:
    spec = node.get("spec") or {}
    taints = [taint for taint in spec.get("taints") or () if taint["effect"] in _REPELLING]
    if spec.get("unschedulable"):
        taints.append(_UNSCHEDULABLE)
    return taints


def _tolerates(toleration: Mapping[str, Any], taint: Mapping[str, Any]) -> bool:
    if toleration.get("effect") not in (None, "", taint["effect"]):
        return False
    if toleration.get("operator", "Equal") == "Exists":
        return toleration.get("key") in (None, "", taint["key"])
    return (toleration.get("key"), toleration.get("value") or "") == (taint["key"], taint.get("value") or "")


def _has_affinity(node: Object, spec: Mapping[str, Any]) -> bool:
    affinity = ((spec.get("affinity") or {}).get("nodeAffinity") or {}).get(
        "requiredDuringSchedulingIgnoredDuringExecution"
    )
    if affinity is None:
        return True
    return any(_matches(node, term) for term in affinity["nodeSelectorTerms"])


def _matches(node: Object, term: Mapping[str, Any]) -> bool:
    expressions: Sequence[Any] = term.get("matchExpressions") or ()
    of_fields: Sequence[Any] = term.get("matchFields") or ()
    # A term without conditions matches no node.
    return bool(expressions or of_fields) and (
        all(_holds(expression, labels_of(node)) for expression in expressions)
        and all(_holds(expression, {"metadata.name": name_of(node)}) for expression in of_fields)
    )


def _holds(expression: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    value = labels.get(expression["key"])
    values: Sequence[str] = expression.get("values") or ()
    match expression["operator"]:
        case "In":
            return value in values
        case "NotIn":
            return value not in values
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
        case "Gt":
            return _number(value) is not None and int(value or 0) > int(values[0])
        case "Lt":
            return _number(value) is not None and int(value or 0) < int(values[0])
    return False


def _number(text: str | None) -> int | None:
    try:
        return None if text is None else int(text)
    except ValueError:
        return None
