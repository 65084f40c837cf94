"""Actors, workers and pools as the substrate knows them. Values: no I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Self

from reference.rollout.ateapi import Status

DEFAULT_SANDBOX_CLASS: Final = "gvisor"
#: Label of a worker's pod: its pool.
POOL_LABEL: Final = "ate.dev/worker-pool"


@dataclass(frozen=True, order=True)
class ActorRef:
    """Which actor. `atespace` is empty in the flat shape of the service."""

    atespace: str
    id: str

    def __str__(self) -> str:
        return self.id


@dataclass(frozen=True)
class Template:
    """Namespace and name of an ActorTemplate."""

    namespace: str
    name: str


@dataclass(frozen=True)
class Worker:
    """A pod that can run one actor at a time. It is free if no actor names it."""

    namespace: str
    pool: str
    pod: str
    uid: str
    ip: str
    node: str = ""
    version: int = 1


@dataclass(frozen=True)
class Actor:
    """One state of one actor. Snapshots are URIs, empty if there is none."""

    ref: ActorRef
    template: Template
    status: Status = Status.SUSPENDED
    version: int = 1
    selector: Mapping[str, str] = field(default_factory=dict)
    worker: Worker | None = None
    last_snapshot: str = ""
    #: The one that pausing left on the worker's node; it goes with the next resume.
    local_snapshot: str = ""
    in_progress_snapshot: str = ""


@dataclass(frozen=True)
class Pool:
    """A WorkerPool, as far as placement goes by it."""

    namespace: str
    name: str
    sandbox_class: str
    labels: Mapping[str, str]

    @classmethod
    def of(cls, found: Mapping[str, Any]) -> Self:
        """From the object."""
        metadata = found["metadata"]
        return cls(
            namespace=metadata["namespace"],
            name=metadata["name"],
            sandbox_class=found["spec"].get("sandboxClass") or DEFAULT_SANDBOX_CLASS,
            labels=metadata.get("labels") or {},
        )
