"""What is known of a snapshot's artifacts: the manifest in the store (contract section 3). Pure.

The controller alone writes manifests. They are immutable here: every change makes another one, which is
checked when it is written and when it is read.
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from enum import StrEnum
from functools import cache
from typing import Any, Final

import cattrs
from cattrs.gen import make_dict_structure_fn, make_dict_unstructure_fn, override


class RecordError(Exception):
    """A stored record cannot be used; the text says why."""


class ArtifactPhase(StrEnum):
    """How far an artifact is. Failed: was not built. Unavailable: was built and cannot be used now."""

    CREATING = "Creating"
    READY = "Ready"
    FAILED = "Failed"
    UNAVAILABLE = "Unavailable"


@dataclass(frozen=True)
class Owner:
    """The snapshot that a manifest belongs to."""

    kind: str
    namespace: str
    name: str
    uid: str

    @property
    def store_key(self) -> str:
        """Where the store keeps the manifest."""
        return f"{STORE_PREFIX}{self.kind}:{self.namespace}:{self.name}:{self.uid}"

    @classmethod
    def of_store_key(cls, key: str) -> Owner:
        """The owner that a store key names. Raises RecordError if it is none."""
        prefix, _, rest = key.partition(":")
        parts = rest.split(":")
        if f"{prefix}:" != STORE_PREFIX or len(parts) != 4:
            raise RecordError(f"{key!r} is no key of a snapshot's record")
        return cls(*parts)


#: What every store key of a manifest begins with.
STORE_PREFIX: Final = "snapshot:"


@dataclass(frozen=True)
class Retry:
    """Failed builds of one artifact; `next_retry_at` is None once there will be no further one."""

    failure_count: int
    last_failed_at: datetime.datetime
    next_retry_at: datetime.datetime | None = None


@dataclass(frozen=True)
class Artifact:
    """One snapshot on one node.

    `created_at`: when it was built. `started_at`: when its last build began. `build`: the name of that
    build's Sandbox and task.
    """

    provider_name: str
    node_name: str
    phase: ArtifactPhase
    snapshot_key: str
    snapshot_hash: str
    created_at: datetime.datetime | None = None
    started_at: datetime.datetime | None = None
    build: str = ""
    retry: Retry | None = None
    message: str = ""

    @property
    def is_built(self) -> bool:
        """Whether it exists, as far as is known."""
        return self.phase in (ArtifactPhase.READY, ArtifactPhase.UNAVAILABLE)


@dataclass(frozen=True)
class ArtifactSet:
    """The artifacts of one key, at most one for each node. `ready_at`: when it became the active set."""

    snapshot_key: str
    snapshot_hash: str
    source_uid: str
    artifacts: tuple[Artifact, ...] = ()
    ready_at: datetime.datetime | None = None

    def on(self, node: str) -> Artifact | None:
        """The artifact of a node."""
        return next((a for a in self.artifacts if a.node_name == node), None)

    def in_phase(self, phase: ArtifactPhase) -> list[Artifact]:
        """The artifacts in one phase, by node."""
        return [a for a in self.artifacts if a.phase is phase]

    def with_artifacts(self, artifacts: Mapping[str, Artifact]) -> ArtifactSet:
        """The same set with these artifacts, by node."""
        return replace(self, artifacts=tuple(artifacts[node] for node in sorted(artifacts)))


@dataclass(frozen=True)
class SetRef:
    """Names a set of the same manifest."""

    snapshot_key: str


@dataclass(frozen=True)
class Manifest:
    """All sets of one snapshot. `sequence` counts the sets it ever began; the last began at `began_at`."""

    owner_ref: Owner
    artifact_sets: Mapping[str, ArtifactSet] = field(default_factory=dict)
    active_set_ref: SetRef | None = None
    pending_set_ref: SetRef | None = None
    sequence: int = 0
    began_at: datetime.datetime | None = None

    @property
    def active(self) -> ArtifactSet | None:
        """The set that sessions may be restored from."""
        return self.artifact_sets[self.active_set_ref.snapshot_key] if self.active_set_ref else None

    @property
    def pending(self) -> ArtifactSet | None:
        """The set that is being built to become the active one."""
        return self.artifact_sets[self.pending_set_ref.snapshot_key] if self.pending_set_ref else None

    def with_active(self, found: ArtifactSet | None) -> Manifest:
        """With another active set; the one before is forgotten."""
        return self._with(found, self.pending)

    def with_pending(self, found: ArtifactSet | None) -> Manifest:
        """With another pending set; the one before is forgotten."""
        return self._with(self.active, found)

    def promoted(self, at: datetime.datetime) -> Manifest:
        """With the pending set in the place of the active one, which is forgotten."""
        assert self.pending is not None, "nothing to promote"
        return self._with(replace(self.pending, ready_at=at), None)

    def _with(self, active: ArtifactSet | None, pending: ArtifactSet | None) -> Manifest:
        return replace(
            self,
            artifact_sets={found.snapshot_key: found for found in (active, pending) if found is not None},
            active_set_ref=SetRef(active.snapshot_key) if active is not None else None,
            pending_set_ref=SetRef(pending.snapshot_key) if pending is not None else None,
        )


def problems(manifest: Manifest) -> Iterator[str]:
    """Which invariants of contract section 3 a manifest breaks."""
    for name, ref in (("active", manifest.active_set_ref), ("pending", manifest.pending_set_ref)):
        if ref is not None and ref.snapshot_key not in manifest.artifact_sets:
            yield f"{name} set {ref.snapshot_key} does not exist"
    for key, found in manifest.artifact_sets.items():
        if key != found.snapshot_key:
            yield f"set {found.snapshot_key} is under key {key}"
        nodes = [artifact.node_name for artifact in found.artifacts]
        if len(nodes) != len(set(nodes)):
            yield f"set {key} has a node twice"
        for artifact in found.artifacts:
            if (artifact.snapshot_key, artifact.snapshot_hash) != (found.snapshot_key, found.snapshot_hash):
                yield f"artifact of {artifact.node_name} in set {key} has another key or hash"
            if artifact.is_built != (artifact.created_at is not None):
                yield f"artifact of {artifact.node_name} in set {key} is {artifact.phase} with createdAt " + (
                    "unset" if artifact.created_at is None else "set"
                )


def dumped(manifest: Manifest) -> str:
    """A manifest as the store keeps it. Raises RecordError if it breaks an invariant."""
    _check(manifest)
    return json.dumps(_converter().unstructure(manifest), sort_keys=True)


def loaded(text: str) -> Manifest:
    """A manifest from the store. Raises RecordError if the text is none, or one that breaks an invariant."""
    try:
        manifest: Manifest = _converter().structure(json.loads(text), Manifest)
    except (ValueError, TypeError, KeyError, AttributeError, cattrs.BaseValidationError) as err:
        raise RecordError(f"no manifest: {err!r}") from err
    _check(manifest)
    return manifest


def _check(manifest: Manifest) -> None:
    if found := list(problems(manifest)):
        raise RecordError("; ".join(found))


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


@cache
def _converter() -> cattrs.Converter:
    """Between records and JSON: camelCase names, times in RFC 3339, nothing unknown."""
    converter = cattrs.Converter(forbid_extra_keys=True)
    converter.register_unstructure_hook(datetime.datetime, lambda at: at.isoformat())
    converter.register_structure_hook(datetime.datetime, lambda text, _: _time(text))
    for cls in (Owner, Retry, Artifact, ArtifactSet, SetRef, Manifest):
        renames: dict[str, Any] = {f.name: override(rename=_camel(f.name)) for f in fields(cls)}
        converter.register_unstructure_hook(cls, make_dict_unstructure_fn(cls, converter, **renames))
        converter.register_structure_hook(
            cls, make_dict_structure_fn(cls, converter, _cattrs_forbid_extra_keys=True, **renames)
        )
    return converter


def _time(text: str) -> datetime.datetime:
    at = datetime.datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError(f"{text!r} has no time zone")
    return at
