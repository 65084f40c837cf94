"""Snapshot controllers that do one thing wrong on purpose (contract section 11): overrides of its rules.

Each class says its lie in the first line. A mutant that has acted is counted in FIRED, so that a test that
did not notice it can be told from one that never met it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeAlias

from reference.snapstart.controller.mutants.acts import (
    Anywhere,
    EditsKept,
    KeyInTemplate,
    LostNodes,
    NeverFailed,
    PendingWithoutNodes,
    RecordLast,
    RestoreFailures,
    SessionAsSource,
    TaskFirst,
    TemplateWithPool,
    Unrecorded,
    WaitForDeadNodes,
)
from reference.snapstart.controller.mutants.inputs import (
    AnyNode,
    ConfigData,
    EndlessPending,
    EveryNodeServes,
    FewFields,
    LaxWebhook,
    NoChecks,
    PlainKeys,
    SnapshotUid,
    SortedLists,
)
from reference.snapstart.controller.mutants.plans import (
    AllNodesFirst,
    AnyUid,
    ClearedRebuild,
    GoneNodeKept,
    LossIgnored,
    NilIsFalse,
    NoRetry,
    OldKeyServes,
    RebuildLoop,
)
from reference.snapstart.controller.parts import Parts
from reference.snapstart.fired import FIRED

__all__ = ["FIRED", "MUTANTS", "mutated"]

Mutant: TypeAlias = Callable[[Parts], Parts]


def _with(**rules: Any) -> Mutant:
    return lambda parts: dataclasses.replace(parts, **rules)


#: By name, which is the value of --mutant.
MUTANTS: Final[Mapping[str, Mutant]] = {
    "any-node": _with(placement=AnyNode()),
    "any-uid": _with(planner=AnyUid),
    "build-anywhere": _with(builds=Anywhere()),
    "counts-lose-nodes": _with(statuses=LostNodes()),
    "edits-kept": _with(templates=EditsKept),
    "gone-node-kept": _with(planner=GoneNodeKept),
    "hash-config-data": _with(flow=ConfigData()),
    "hash-few-fields": _with(hashing=FewFields()),
    "hash-snapshot-uid": _with(planner=SnapshotUid),
    "hash-sorts-lists": _with(hashing=SortedLists()),
    "key-in-template": _with(flow=KeyInTemplate()),
    "loss-ignored": _with(planner=LossIgnored),
    "mode-mismatch": _with(checks=NoChecks(), statuses=EndlessPending(), webhook=LaxWebhook),
    "never-failed": _with(statuses=NeverFailed()),
    "nil-is-false": _with(planner=NilIsFalse),
    "no-retry": _with(planner=NoRetry),
    "node-loss-ignored": _with(placement=EveryNodeServes()),
    "old-key-serves": _with(planner=OldKeyServes),
    "pending-without-nodes": _with(statuses=PendingWithoutNodes()),
    "plain-key": _with(planner=PlainKeys),
    "promote-when-all": _with(planner=AllNodesFirst),
    "rebuild-clears": _with(planner=ClearedRebuild),
    "rebuild-loop": _with(planner=RebuildLoop),
    "record-last": _with(flow=RecordLast()),
    "restore-failure-in-status": _with(flow=RestoreFailures()),
    "session-as-source": _with(flow=SessionAsSource()),
    "task-first": _with(flow=TaskFirst()),
    "template-with-pool": _with(templates=TemplateWithPool),
    "unrecorded": _with(flow=Unrecorded()),
    "wait-for-dead-nodes": _with(flow=WaitForDeadNodes()),
}


def mutated(mutants: Sequence[str]) -> Parts:
    """The controller's rules with these mutants, later ones over earlier ones. Raises KeyError."""
    parts = Parts()
    for name in mutants:
        parts = MUTANTS[name](parts)
    return parts
