"""WorkerPools and their pods, with dictionaries in the place of the API server."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from reference.informer import Key, Listener, key_of
from reference.rollout.ateapi import Status
from reference.rollout.substrate.model import ActorRef
from reference.rollout.substrate.pods import WorkerSync, worker_of
from reference.rollout.substrate.pools import PoolReconciler
from tests.unit.rollout.substrate.harness import NAMESPACE, bench
from tests.unit.rollout.substrate.test_operations import status, until

POOL = {
    "metadata": {"namespace": NAMESPACE, "name": "pool", "uid": "u-1"},
    "spec": {"replicas": 2, "ateomImage": "ateom@sha256:0"},
}


class FakeInformer:
    """Objects that tests put and remove; listeners hear of it."""

    def __init__(self) -> None:
        self.objects: dict[Key, Any] = {}
        self._listeners: list[Listener] = []

    def get(self, namespace: str, name: str) -> Any:
        """One object."""
        return self.objects.get((namespace, name))

    def list(self) -> Any:
        """All objects."""
        return list(self.objects.values())

    def listen(self, listener: Listener) -> None:
        """Be told of every change."""
        self._listeners.append(listener)

    def put(self, found: Any) -> None:
        """Add or replace an object."""
        before = self.objects.get(key_of(found))
        self.objects[key_of(found)] = found
        for listener in self._listeners:
            listener(before, found)

    def remove(self, found: Any) -> None:
        """Take an object away."""
        del self.objects[key_of(found)]
        for listener in self._listeners:
            listener(found, None)


def pod(name: str, uid: str = "uid", ip: str | None = "10.0.0.1", **metadata: Any) -> dict[str, Any]:
    """A pod of the pool."""
    labels = {"ate.dev/worker-pool": "pool"}
    return {
        "metadata": {"namespace": NAMESPACE, "name": name, "uid": uid, "labels": labels, **metadata},
        "spec": {"nodeName": "node-1"},
        "status": {"podIP": ip} if ip else {},
    }


def test_a_pool_becomes_a_deployment_and_counts_its_pods() -> None:
    """A pool MUST be applied as a Deployment that it owns, and its status MUST follow that one's."""

    class Client:
        """The objects as they were patched."""

        async def patch(self, _kind: Any, name: str, patch: Any, **_: Any) -> None:
            """Keep it; an applied Deployment is there."""
            if "kind" in patch:
                applied.append(patch)
                deployments.objects.setdefault((NAMESPACE, name), patch)
            else:
                written.append(patch["status"])
                pools.objects[NAMESPACE, name] = {**POOL, **patch}

    async def test() -> None:
        client: Any = Client()
        task = asyncio.ensure_future(PoolReconciler(client, pools, deployments).run())
        pools.put(POOL)
        await until(lambda: written)
        deployments.put({**applied[0], "status": {"replicas": 2}})
        await until(lambda: written[-1] == {"replicas": 2})
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    pools: Any = FakeInformer()
    deployments: Any = FakeInformer()
    applied: list[Any] = []
    written: list[Any] = []
    asyncio.run(test())
    metadata, spec = applied[0]["metadata"], applied[0]["spec"]
    assert (metadata["name"], metadata["ownerReferences"][0]["uid"]) == ("pool-deployment", "u-1")
    assert spec["replicas"] == 2
    assert spec["template"]["metadata"]["labels"] == {"ate.dev/worker-pool": "pool"}
    assert written == [{"replicas": 0}, {"replicas": 2}]


def test_a_pod_is_a_worker_while_it_has_an_address_and_stays() -> None:
    """A pod without address, or one that is being deleted, MUST be no worker."""
    found = worker_of(pod("p"))
    assert found is not None
    assert (found.pool, found.pod, found.ip, found.node) == ("pool", "p", "10.0.0.1", "node-1")
    assert worker_of(pod("p", ip=None)) is None
    assert worker_of(pod("p", deletionTimestamp="2026-01-01T00:00:00Z")) is None


def test_workers_follow_their_pods(folder: Path) -> None:
    """A pod that goes, is replaced, or went while nobody looked MUST free its actor (SUB-10)."""

    async def test() -> None:
        pods: Any = FakeInformer()
        pods.objects = {key_of(p): p for p in (pod("p1"), pod("p2", ip=None))}
        async with bench(folder, workers=1) as substrate:
            await substrate.create()
            await substrate.on("ResumeActor")
            sync = WorkerSync(substrate.store, substrate.operations, pods)
            await sync.start()
            # The worker that the bench began with has no pod.
            assert status(substrate) is Status.SUSPENDED
            assert [found.pod for found in substrate.store.free_workers()] == ["p1"]
            task = asyncio.ensure_future(sync.run())
            for end in ("gone", "replaced", "deleted"):
                assert (await substrate.on("ResumeActor"))["ateom_pod_name"] == "p1"
                if end == "gone":
                    pods.remove(pods.get(NAMESPACE, "p1"))
                elif end == "replaced":
                    pods.put(pod("p1", uid="other"))
                else:
                    pods.put(pod("p1", uid="other", deletionTimestamp="2026-01-01T00:00:00Z"))
                await until(lambda: status(substrate) is Status.SUSPENDED)
                await until(lambda: substrate.store.workload(ActorRef("", "a")) is None)
                if end == "gone":
                    pods.put(pod("p1"))
                    await until(lambda: substrate.store.free_workers())
            assert substrate.store.workers() == []
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    asyncio.run(test())
