"""Wrong ways to read the world: what is refused, hashes, keys, and which nodes are targets."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from reference.api import ConfigMap, Secret
from reference.objects import Object, generation_of, name_of, namespace_of, uid_of
from reference.snapstart import keys
from reference.snapstart.controller import statuses
from reference.snapstart.controller.artifacts import Draft
from reference.snapstart.controller.facts import Checks, Facts
from reference.snapstart.controller.flow import Flow
from reference.snapstart.controller.placement import Placement
from reference.snapstart.controller.planner import Plan, Planner
from reference.snapstart.controller.statuses import Statuses
from reference.snapstart.controller.webhook import Webhook
from reference.snapstart.fired import fired
from reference.snapstart.hashing import Hashing, pod_spec
from reference.snapstart.records import ArtifactSet

if TYPE_CHECKING:
    from reference.snapstart.controller.passes import Pass

# -- what is refused -------------------------------------------------------


class NoChecks(Checks):
    """M18: a mode that the class lacks, or a source of the wrong kind, is built like any other."""

    def refusals(self, facts: Facts) -> list[str]:
        if super().refusals(facts):
            fired("mode-mismatch")
        return []


class EndlessPending(Statuses):
    """The status of M18: a snapshot whose source is not there stays Pending."""

    def phase(self, plan: Plan, shown: ArtifactSet | None, started: bool) -> str:
        if plan.obstacle is not None:
            return statuses.PENDING
        return super().phase(plan, shown, started)


class LaxWebhook(Webhook):
    """The webhook of M18: everything is admitted."""

    def refusals(self, snapshot: Object, snapshot_class: Object | None) -> list[str]:
        if super().refusals(snapshot, snapshot_class):
            fired("mode-mismatch")
        return []


# -- hashes and keys -------------------------------------------------------


class SortedLists(Hashing):
    """M12: the order of lists does not show in the hash."""

    def spec(self, source: Object) -> Any:
        found = super().spec(source)
        ordered = _ordered(found)
        if ordered != found:
            fired("hash-sorts-lists")
        return ordered


def _ordered(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _ordered(item) for key, item in value.items()}
    if isinstance(value, list):
        return sorted((_ordered(item) for item in value), key=repr)
    return value


class FewFields(Hashing):
    """M46: only images and commands are in the hash."""

    def spec(self, source: Object) -> Any:
        fired("hash-few-fields")
        containers = pod_spec(source)["containers"]
        return [{name: c.get(name) for name in ("image", "command")} for c in containers]


class PlainKeys(Planner):
    """M21: a key is only the normalised name, mode, generation and sequence."""

    def new_key(self, facts: Facts, sequence: int) -> str:
        fired("plain-key")
        snapshot = facts.snapshot
        name = keys.normalized(name_of(snapshot))
        return f"{name}-{facts.mode.lower()}-g{generation_of(snapshot)}-r{sequence}"[: keys.LENGTH]


class SnapshotUid(Planner):
    """M48: the snapshot's UID is in the hash, and the template's is not."""

    def current_hash(self, facts: Facts) -> str:
        fired("hash-snapshot-uid")
        assert facts.source is not None and facts.snapshot_class is not None
        metadata = {**facts.source["metadata"], "uid": uid_of(facts.snapshot)}
        source = {**facts.source, "metadata": metadata}
        return self.parts.hashing.hash(facts.mode, source, facts.snapshot_class)

    def is_stale(self, active: ArtifactSet, draft: Draft) -> bool:
        return active.snapshot_hash != draft.current


class ConfigData(Flow):
    """M13: the data of ConfigMaps and Secrets that a template names are in the hash."""

    async def reconcile(self, on: Pass) -> float | None:
        fired("hash-config-data")
        versions = {
            f"{kind.__name__}/{name_of(found)}": found.get("data")
            for kind in (ConfigMap, Secret)
            for found in await on.api.list(kind, namespace_of(on.snapshot))
        }
        on.planner.parts = dataclasses.replace(on.planner.parts, hashing=_WithData(versions))
        again = await super().reconcile(on)
        # Nobody watches ConfigMaps and Secrets.
        return 1.0 if again is None else min(again, 1.0)


class _WithData(Hashing):
    def __init__(self, data: Mapping[str, Any]) -> None:
        self._data = data

    def spec(self, source: Object) -> Any:
        found = super().spec(source)
        named = set(re.findall(r"'name': '([^']+)'|'secretName': '([^']+)'", repr(found)))
        names = {name for pair in named for name in pair if name}
        return [found, {key: data for key, data in self._data.items() if key.partition("/")[2] in names}]


# -- placement -------------------------------------------------------------


class AnyNode(Placement):
    """M31: taints, and whether a node is Ready, do not matter."""

    def targets(
        self,
        nodes: Iterable[Object],
        snapshot_class: Object,
        spec: Mapping[str, Any],
        runtime_class: Object | None,
    ) -> list[str]:
        seen = [_plain_node(node) for node in nodes]
        found = super().targets(seen, snapshot_class, spec, runtime_class)
        if found != super().targets(nodes, snapshot_class, spec, runtime_class):
            fired("any-node")
        return found


def _plain_node(node: Object) -> Object:
    spec = {
        key: value
        for key, value in (node.get("spec") or {}).items()
        if key not in ("taints", "unschedulable")
    }
    return {**node, "spec": spec, "status": {"conditions": [{"type": "Ready", "status": "True"}]}}


class EveryNodeServes(Placement):
    """M50: a node that is lost still counts as one that has its artifacts."""

    def serves(self, node: Object, snapshot_class: Object) -> bool:
        found = super().serves(node, snapshot_class)
        if not found:
            fired("node-loss-ignored")
        return True
