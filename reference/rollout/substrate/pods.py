"""Pods of WorkerPools become workers, and vanish as workers when they are deleted (SUB-10)."""

from __future__ import annotations

import asyncio
import logging

from reference.informer import Informer, Object
from reference.rollout.substrate.model import POOL_LABEL, Worker
from reference.rollout.substrate.operations import Operations
from reference.rollout.substrate.store import Store

_LOG = logging.getLogger(__name__)


class WorkerSync:
    """Follows the pods. Changes are handled one after the other, in the order in which they were heard."""

    def __init__(self, store: Store, operations: Operations, pods: Informer) -> None:
        self._store = store
        self._operations = operations
        self._pods = pods
        self._changes: asyncio.Queue[tuple[Object | None, Object | None]] = asyncio.Queue()

    async def start(self) -> None:
        """Take over the pods there are: whoever is not among them went while nobody looked."""
        self._pods.listen(lambda before, after: self._changes.put_nowait((before, after)))
        for worker, _ in self._store.workers():
            pod = self._pods.get(worker.namespace, worker.pod)
            if pod is None or pod["metadata"]["uid"] != worker.uid:
                await self._operations.worker_lost(worker)
        for pod in self._pods.list():
            await self._take(None, pod)

    async def run(self) -> None:
        """Follow the changes until cancelled."""
        while True:
            await self._take(*await self._changes.get())

    async def _take(self, before: Object | None, after: Object | None) -> None:
        old = None if before is None else worker_of(before)
        new = None if after is None else worker_of(after)
        if old is not None and (new is None or new.uid != old.uid):
            await self._operations.worker_lost(old)
        if new is not None and new != old:
            _LOG.info("worker", extra={"worker": new.pod, "pool": new.pool})
            self._store.put_worker(new)


def worker_of(pod: Object) -> Worker | None:
    """The worker that a pod is, None while it has no address or once it is being deleted."""
    metadata, status = pod["metadata"], pod.get("status") or {}
    if not status.get("podIP") or metadata.get("deletionTimestamp"):
        return None
    return Worker(
        namespace=metadata["namespace"],
        pool=metadata["labels"][POOL_LABEL],
        pod=metadata["name"],
        uid=metadata["uid"],
        ip=status["podIP"],
        node=(pod.get("spec") or {}).get("nodeName") or "",
    )
