"""Snapshot tasks as the node agent reads them, and what it refuses. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Set
from dataclasses import dataclass
from typing import Any, Final

from reference.objects import Object, name_of, namespace_of, uid_of

READY: Final = "Ready"
FAILED: Final = "Failed"

_HASH: Final = re.compile(r"sha256:[0-9a-f]{64}")


@dataclass(frozen=True)
class Task:
    """One SandboxSnapshotTask: which snapshot it is for, what is to be captured, where, under which key."""

    namespace: str
    name: str
    uid: str
    snapshot: str
    snapshot_uid: str
    mode: str
    sandbox: str
    node: str
    provider: str
    key: str
    hash: str


@dataclass(frozen=True)
class Abilities:
    """What a node's agent can answer for."""

    node: str
    provider: str
    modes: Set[str]


def task_of(found: Object) -> Task:
    """What a task says; fields that are not there are ""."""
    spec: Mapping[str, Any] = found.get("spec") or {}
    return Task(
        namespace=namespace_of(found),
        name=name_of(found),
        uid=uid_of(found),
        snapshot=_name(spec.get("snapshotRef")),
        snapshot_uid=str(spec.get("snapshotUID") or ""),
        mode=str(spec.get("snapshotMode") or ""),
        sandbox=_name(spec.get("targetSandboxRef")),
        node=str(spec.get("targetNodeName") or ""),
        provider=str(spec.get("providerName") or ""),
        key=str(spec.get("snapshotKey") or ""),
        hash=str(spec.get("snapshotHash") or ""),
    )


def is_answered(found: Object) -> bool:
    """Whether its agent has written what became of it."""
    return (found.get("status") or {}).get("phase") in (READY, FAILED)


def refusal(task: Task, abilities: Abilities, snapshot: Object | None) -> str | None:
    """Why the agent of the task's node will not do it; None if it will.

    `snapshot` is the one of the name that the task gives, as it is now.
    """
    if task.provider != abilities.provider:
        return f"provider {task.provider!r} is not {abilities.provider!r}, the one of node {abilities.node}"
    if task.mode not in abilities.modes:
        known = ", ".join(sorted(abilities.modes))
        return f"mode {task.mode!r} is none of those that {abilities.provider} has: {known}"
    if not task.key:
        return "it has no snapshotKey"
    if not _HASH.fullmatch(task.hash):
        return f"snapshotHash {task.hash!r} is not sha256: and 64 hexadecimal digits"
    if snapshot is None or uid_of(snapshot) != task.snapshot_uid:
        return f"its snapshot {task.snapshot} with UID {task.snapshot_uid!r} is not there"
    return None


def _name(reference: Any) -> str:
    return str(reference.get("name") or "") if isinstance(reference, Mapping) else str(reference or "")
