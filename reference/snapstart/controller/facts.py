"""What one pass over a snapshot has read, and what keeps the snapshot from being built. Pure."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from reference.objects import Object, name_of, namespace_of, uid_of
from reference.snapstart.durations import parse_duration
from reference.snapstart.hashing import pod_spec
from reference.snapstart.kinds import AGENTS_GROUP, EXTENSIONS_GROUP, FORK, RESUME
from reference.snapstart.records import Owner

#: The group and kind that a snapshot's source has to be of, by mode.
SOURCES: Final = {FORK: (EXTENSIONS_GROUP, "SandboxTemplate"), RESUME: (AGENTS_GROUP, "Sandbox")}


@dataclass(frozen=True)
class Facts:
    """Everything that a pass decides on, as it was read in this pass.

    `sandboxes` and `tasks` are those that the controller made for this very snapshot, by name. `record_lost`:
    the snapshot was Ready, and the store knows nothing of it.
    """

    snapshot: Object
    snapshot_class: Object | None
    source: Object | None
    runtime_class: Object | None
    nodes: Mapping[str, Object]
    sandboxes: Mapping[str, Object]
    tasks: Mapping[str, Object]
    now: datetime.datetime
    record_lost: bool = False

    @property
    def namespace(self) -> str:
        """The snapshot's namespace."""
        return namespace_of(self.snapshot)

    @property
    def owner(self) -> Owner:
        """The owner of the snapshot's record."""
        return owner_of(self.snapshot)

    @property
    def mode(self) -> str:
        """The snapshot's mode."""
        return str(self.snapshot["spec"]["snapshotMode"])

    @property
    def provider(self) -> str:
        """The provider of its class."""
        assert self.snapshot_class is not None
        return str(self.snapshot_class["spec"]["providerName"])

    @property
    def spec(self) -> Mapping[str, Any]:
        """The Pod spec of its source."""
        assert self.source is not None
        return pod_spec(self.source)

    @property
    def rebuild_after(self) -> datetime.timedelta | None:
        """How old an active set may become, None if that does not matter."""
        text = (self.snapshot["spec"].get("forkPolicy") or {}).get("rebuildAfter")
        return parse_duration(text) if text else None


def owner_of(snapshot: Object) -> Owner:
    """The owner of a snapshot's record."""
    return Owner("SandboxSnapshot", namespace_of(snapshot), name_of(snapshot), uid_of(snapshot))


def rebuilds_on_source_change(snapshot: Object) -> bool:
    """Whether a changed source makes the snapshot unusable, which is the default (SS-A5)."""
    wanted = (snapshot["spec"].get("forkPolicy") or {}).get("rebuildOnSourceChange")
    return True if wanted is None else bool(wanted)


def refusals(snapshot: Object, snapshot_class: Object | None) -> list[str]:
    """What is wrong with a snapshot whatever its source is like; the admission webhook asks the same."""
    spec = snapshot["spec"]
    mode, source = spec["snapshotMode"], spec["sourceRef"]
    found = []
    if (source.get("apiGroup", ""), source["kind"]) != SOURCES.get(mode):
        group, kind = SOURCES.get(mode, ("?", "?"))
        given = f"{source['kind']}.{source.get('apiGroup')}"
        found.append(f"mode {mode} takes a source of kind {kind}.{group}, not {given}")
    if mode == RESUME and spec.get("forkPolicy") is not None:
        found.append("forkPolicy is for mode Fork only")
    if snapshot_class is not None and mode not in snapshot_class["spec"]["supportedSnapshotModes"]:
        modes: Sequence[str] = snapshot_class["spec"]["supportedSnapshotModes"]
        found.append(f"SnapshotClass {name_of(snapshot_class)} supports {', '.join(modes)}, not {mode}")
    return found


class Checks:
    """What has to hold before anything is built."""

    def obstacle(self, facts: Facts) -> str | None:
        """Why the snapshot cannot be built now whatever the nodes are like, None if it can."""
        spec = facts.snapshot["spec"]
        if found := self.refusals(facts):
            return "; ".join(found)
        if facts.snapshot_class is None:
            return f"SnapshotClass {spec['snapshotClassName']} not found"
        if facts.mode != FORK:
            return f"this controller does not build snapshots in mode {facts.mode}"
        if facts.source is None:
            return f"{spec['sourceRef']['kind']} {spec['sourceRef']['name']} not found"
        wanted = facts.spec.get("runtimeClassName")
        if wanted and facts.runtime_class is None:
            return f"RuntimeClass {wanted} not found"
        return None

    def refusals(self, facts: Facts) -> list[str]:
        """What is wrong with the snapshot itself."""
        return refusals(facts.snapshot, facts.snapshot_class)
