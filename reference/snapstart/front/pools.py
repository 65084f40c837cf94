"""Which pool of a template has a Ready Sandbox that nobody has been promised yet (SS-W1, SS-W2, SS-W4)."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass

from reference.informer import Key, key_of
from reference.objects import Object, name_of, namespace_of, version_of


@dataclass
class _Promise:
    """A slot that a pool which is at `version` counts as Ready although it is spoken for."""

    pool: Key
    version: str
    kept: bool = False

    def counts(self, pool: Object) -> bool:
        """Whether a state of a pool has one free slot less than it says."""
        return key_of(pool) == self.pool and (not self.kept or version_of(pool) == self.version)


class Pools:
    """Promises of free slots.

    `pools(namespace)` tells what the API server last said, `fresh(pool)` asks it: a slot that has just become
    free is not missed.
    """

    def __init__(
        self,
        pools: Callable[[str], Iterable[Object]],
        fresh: Callable[[Object], Awaitable[Object | None]],
    ) -> None:
        self._pools = pools
        self._fresh = fresh
        self._promises: list[_Promise] = []

    async def with_free_slot(self, template: Object) -> Object | None:
        """The first pool of a template that has a free slot."""
        for pool in self.of(template):
            if self.free_slots(pool) > 0:
                return pool
            found = await self._fresh(pool)
            if found is not None and is_of(found, template) and self.free_slots(found) > 0:
                return found
        return None

    def of(self, template: Object) -> list[Object]:
        """The pools of a template, by name."""
        found = [pool for pool in self._pools(namespace_of(template)) if is_of(pool, template)]
        return sorted(found, key=name_of)

    def free_slots(self, pool: Object) -> int:
        """How many Ready Sandboxes of a pool are not promised."""
        ready = int((pool.get("status") or {}).get("readyReplicas", 0))
        return ready - sum(promise.counts(pool) for promise in self._promises)

    @contextlib.contextmanager
    def promised(self, pool: Object) -> Iterator[None]:
        """One slot of a pool is promised while the body runs, and until the pool shows that it went."""
        promise = _Promise(key_of(pool), version_of(pool))
        self._promises = [p for p in self._promises if p.counts(pool) or p.pool != promise.pool]
        self._promises.append(promise)
        try:
            yield
        finally:
            promise.kept = True


def is_of(pool: Object, template: Object) -> bool:
    """Whether a pool's Sandboxes are made from a template."""
    name: str = pool["spec"]["sandboxTemplateRef"]["name"]
    return name == name_of(template)
