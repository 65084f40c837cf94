"""A substrate without a cluster: store, processes, gRPC and HTTP are real; the cluster is a few dictionaries.

async with bench(tmp_path) as substrate:
    await substrate.call("CreateActor", ...)
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc.aio
import psutil
from aiohttp import web
from prometheus_client import CollectorRegistry

from reference.rollout.ateapi import Shape
from reference.rollout.reflection import AsyncReflectedService
from reference.rollout.substrate.herder import MARK, Herder
from reference.rollout.substrate.model import ActorRef, Pool, Template, Worker
from reference.rollout.substrate.operations import Operations
from reference.rollout.substrate.parts import Parts
from reference.rollout.substrate.store import Store

NAMESPACE = "ns"
TIMEOUT = 20.0


def template(
    name: str = "t", env: Mapping[str, str] | None = None, *, readyz: bool = True, **spec: Any
) -> dict[str, Any]:
    """An ActorTemplate with one container."""
    container: dict[str, Any] = {
        "name": "agent",
        "image": "agent@sha256:0",
        "env": [{"name": key, "value": value} for key, value in (env or {}).items()],
    }
    if readyz:
        container["readyz"] = {"httpGet": {"path": "/readyz", "port": 8080}}
    return {
        "metadata": {"namespace": NAMESPACE, "name": name, "resourceVersion": "1"},
        "spec": {
            "pauseImage": "pause@sha256:0",
            "containers": [container],
            "snapshotsConfig": {"location": "gs://snapshots"},
            **spec,
        },
    }


def worker(number: int = 1, pool: str = "pool") -> Worker:
    """A worker of a pool."""
    return Worker(NAMESPACE, pool, f"{pool}-{number}", f"uid-{pool}-{number}", f"10.0.0.{number}", "node-1")


def message(**metadata: Any) -> dict[str, Any]:
    """An A2A message."""
    parts = [{"kind": "text", "text": "hello"}]
    content = {"contextId": "c", "parts": parts, "metadata": metadata}
    return {"jsonrpc": "2.0", "id": 1, "method": "message/send", "params": {"message": content}}


@dataclass
class Bench:
    """A substrate under test."""

    folder: Path
    store: Store
    herder: Herder
    operations: Operations
    client: AsyncReflectedService
    target: str
    shape: Shape
    router: web.Application
    templates: dict[Template, dict[str, Any]]
    pools: list[Pool] = field(default_factory=list)

    def put(self, found: dict[str, Any]) -> Template:
        """Add or replace a template."""
        key = Template(found["metadata"]["namespace"], found["metadata"]["name"])
        self.templates[key] = found
        return key

    async def call(self, method: str, request: Mapping[str, Any]) -> dict[str, Any]:
        """A call over gRPC."""
        return await self.client.call(method, request, timeout=TIMEOUT)

    async def create(self, actor_id: str = "a", name: str = "t") -> ActorRef:
        """An actor of a template, in the flat shape."""
        request = {"actor_id": actor_id, "actor_template_namespace": NAMESPACE, "actor_template_name": name}
        await self.call("CreateActor", request)
        return ActorRef("", actor_id)

    async def on(self, method: str, actor_id: str = "a") -> dict[str, Any]:
        """A call about an actor; the actor in its reply."""
        actor: dict[str, Any] = (await self.call(method, {"actor_id": actor_id})).get("actor", {})
        return actor

    async def send(self, actor_id: str = "a", **metadata: Any) -> dict[str, Any]:
        """Send a message to an actor's process; who answered."""
        workload = self.store.workload(ActorRef("", actor_id))
        assert workload is not None
        url = f"http://127.0.0.1:{workload.port}/"
        async with self.herder.session.post(url, json=message(**metadata)) as response:
            response.raise_for_status()
            answered: dict[str, Any] = (await response.json())["result"]["metadata"]
            return answered

    def processes(self) -> set[int]:
        """The workloads that run, recorded or not; without the process that forks them."""
        return {found.pid for found in marked(self.folder) if found.ppid() == 1 or _is_forked(found)}


@contextlib.asynccontextmanager
async def bench(
    folder: Path,
    *,
    shape: Shape = Shape.FLAT,
    parts: Parts | None = None,
    store: Store | None = None,
    templates: list[dict[str, Any]] | None = None,
    workers: int = 1,
    secrets: Mapping[str, Mapping[str, str]] | None = None,
    **options: Any,
) -> AsyncIterator[Bench]:
    """A substrate on a folder. It begins with one pool `pool` and template `t` unless others are given."""
    parts = parts or Parts()
    store = store or Store(folder)
    known: dict[Template, dict[str, Any]] = {}
    pools = [Pool(NAMESPACE, "pool", "gvisor", {"kagent.dev/worker-pool": "pool"})]

    async def secret(_namespace: str, name: str) -> Mapping[str, str] | None:
        return (secrets or {}).get(name)

    herder = Herder(store, folder, ended=lambda workload: operations.workload_ended(workload))
    operations = parts.operations(
        store,
        herder,
        known.get,
        lambda: pools,
        secret,
        has_atespaces=shape is Shape.ATESPACES,
        **options,
    )
    server = grpc.aio.server()
    parts.service(shape, store, operations, CollectorRegistry()).serve_on(server)
    target = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    client = AsyncReflectedService.connect(target)
    router = parts.router(store, herder).application()
    found = Bench(folder, store, herder, operations, client, target, shape, router, known, pools)
    for one in [template()] if templates is None else templates:
        found.put(one)
    for number in range(1, workers + 1):
        store.put_worker(worker(number))
    async with herder.running():
        await operations.recover()
        await server.start()
        try:
            yield found
        finally:
            await client.close()
            await server.stop(grace=None)
            await operations.close()
    store.close()


def marked(folder: Path) -> list[psutil.Process]:
    """The processes that belong to a substrate's folder."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.environ().get(MARK) == str(folder.resolve()):
                found.append(process)
    return found


def kill_all(folder: Path) -> None:
    """End whatever a test left running."""
    for process in marked(folder):
        with contextlib.suppress(psutil.Error):
            process.kill()


def _is_forked(process: psutil.Process) -> bool:
    """Whether a process was forked off one with the same command line."""
    parent = process.parent()
    return parent is not None and parent.pid != os.getpid() and parent.cmdline() == process.cmdline()
