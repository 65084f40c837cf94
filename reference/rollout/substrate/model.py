"""Actors, workers and pools as the substrate knows them. Values: no I/O."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Self

from reference.rollout.ateapi import Status
from reference.rollout.substrate.errors import invalid

#: Atespace of goldens, where there are atespaces (contract section 3).
GOLDEN_ATESPACE: Final = "ate-golden"
DEFAULT_SANDBOX_CLASS: Final = "gvisor"
#: Label of a worker's pod: its pool.
POOL_LABEL: Final = "ate.dev/worker-pool"

_DNS_LABEL: Final = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")


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


def check_dns_label(value: str, what: str) -> None:
    """Raise INVALID_ARGUMENT unless `value` is a DNS-1123 label."""
    if not value:
        raise invalid(f"{what} is required")
    if len(value) > 63:
        raise invalid(f"invalid {what}: must be no more than 63 characters")
    if _DNS_LABEL.fullmatch(value) is None:
        raise invalid(
            f"invalid {what}: must start and end with a lower case alphanumeric character, "
            "and consist only of lower case alphanumeric characters or '-'"
        )
