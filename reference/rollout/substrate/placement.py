"""Which worker an actor gets (SUB-8). Pure."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

from reference.rollout.substrate.errors import precondition
from reference.rollout.substrate.model import DEFAULT_SANDBOX_CLASS, Pool, Worker

#: Namespace and name of a pool.
PoolKey: TypeAlias = tuple[str, str]


def eligible_pools(
    pools: Iterable[Pool], template_spec: Mapping[str, Any], selector: Mapping[str, str]
) -> frozenset[PoolKey]:
    """Pools of the template's class whose labels match the template's selector and the actor's."""
    wanted = (template_spec.get("workerSelector") or {}).get("matchLabels") or {}
    return frozenset(
        (pool.namespace, pool.name)
        for pool in pools
        if pool.sandbox_class == (template_spec.get("sandboxClass") or DEFAULT_SANDBOX_CLASS)
        and all(pool.labels.get(key) == value for key, value in (*wanted.items(), *selector.items()))
    )


def choose(free: Sequence[Worker], pools: frozenset[PoolKey]) -> Worker:
    """Any free worker of the pools. Raises FAILED_PRECONDITION."""
    if not pools:
        raise precondition(
            "no worker pool matches the template's sandboxClass and the template/actor selectors"
        )
    candidates = [worker for worker in free if (worker.namespace, worker.pool) in pools]
    if not candidates:
        raise precondition("no free workers available")
    return random.choice(candidates)
