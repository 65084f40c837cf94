"""WorkerPools: each becomes a Deployment, whose pods are the workers (contract section 2)."""

from __future__ import annotations

from typing import Any, Final

import httpx2
from lightkube import ApiError, AsyncClient
from lightkube.resources.apps_v1 import Deployment
from lightkube.types import PatchType

from reference.informer import Informer, Key, Object, key_of
from reference.rollout.kinds import WorkerPool
from reference.rollout.substrate.model import POOL_LABEL
from reference.workqueue import WorkQueue

_FIELD_MANAGER: Final = "ate-workerpool-controller"
_LONGEST_BACKOFF: Final = 5.0


class PoolReconciler:
    """Keeps the Deployments of pools, and the pools' status."""

    def __init__(self, client: AsyncClient, pools: Informer, deployments: Informer) -> None:
        self._client = client
        self._pools = pools
        self._deployments = deployments
        self._queue: WorkQueue[Key] = WorkQueue(longest_backoff=_LONGEST_BACKOFF)
        pools.listen(self._pool_changed)
        deployments.listen(self._deployment_changed)

    async def run(self) -> None:
        """One pool at a time, until cancelled."""
        await self._queue.work(self._reconcile, (ApiError, httpx2.HTTPError))

    def _pool_changed(self, before: Object | None, after: Object | None) -> None:
        found = after or before
        if found is not None:
            self._queue.add(key_of(found))

    def _deployment_changed(self, before: Object | None, after: Object | None) -> None:
        found = after or before
        for owner in (found or {}).get("metadata", {}).get("ownerReferences") or []:
            if found is not None and owner["kind"] == "WorkerPool":
                self._queue.add((found["metadata"]["namespace"], owner["name"]))

    async def _reconcile(self, key: Key) -> float | None:
        pool = self._pools.get(*key)
        if pool is None or "deletionTimestamp" in pool["metadata"]:
            return None
        namespace, name = key
        wanted = deployment(pool)
        await self._client.patch(
            Deployment,
            wanted["metadata"]["name"],
            wanted,
            namespace=namespace,
            patch_type=PatchType.APPLY,
            field_manager=_FIELD_MANAGER,
            force=True,
        )
        applied = self._deployments.get(namespace, wanted["metadata"]["name"])
        replicas = ((applied or {}).get("status") or {}).get("replicas", 0)
        if (pool.get("status") or {}).get("replicas") != replicas:
            await self._client.patch(
                WorkerPool.Status,
                name,
                {"status": {"replicas": replicas}},
                namespace=namespace,
                patch_type=PatchType.MERGE,
            )
        return None


def deployment(pool: Object) -> dict[str, Any]:
    """The Deployment of a pool."""
    metadata = pool["metadata"]
    labels = {POOL_LABEL: metadata["name"]}
    pod_uid = {"name": "POD_UID", "valueFrom": {"fieldRef": {"fieldPath": "metadata.uid"}}}
    container = {
        "name": "ateom",
        "image": pool["spec"]["ateomImage"],
        "args": ["--pod-uid=$(POD_UID)"],
        "env": [pod_uid],
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": f"{metadata['name']}-deployment",
            "namespace": metadata["namespace"],
            "ownerReferences": [
                {
                    "apiVersion": "ate.dev/v1alpha1",
                    "kind": "WorkerPool",
                    "name": metadata["name"],
                    "uid": metadata["uid"],
                    "controller": True,
                    "blockOwnerDeletion": True,
                }
            ],
        },
        "spec": {
            "replicas": pool["spec"]["replicas"],
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
        },
    }
