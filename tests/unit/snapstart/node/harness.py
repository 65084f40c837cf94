"""A node at work against a server of objects: what it starts are real processes.

async with node(tmp_path) as found:
    found.pod("p")
    await found.until_ready("p")
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import ipaddress
import json
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psutil

from fixtures.processes import free_port
from reference.program import Address
from reference.snapstart.drivers.driver import Driver
from reference.snapstart.kinds import LIVE_KEYS, MODE_VARIABLE, SNAPSHOT_KEY
from reference.snapstart.node.kubelet import Limits
from reference.snapstart.node.node import Settings, owning, serve, sweep
from reference.snapstart.node.parts import Parts
from reference.snapstart.node.runtimelayer import MARK, Options, Policy
from tests.unit.snapstart.node.drivers import STANDIN, StandinDriver
from tests.unit.snapstart.node.fakecluster import FakeCluster, Found, cluster

NAMESPACE = "ns"
NODE = "process-0"
HASH = "sha256:" + "a" * 64
#: Environment of a process that never answers.
ENDLESS = {"STANDIN_DELAY": "never"}


@dataclass
class Bench:
    """A node under test, its cluster and its driver."""

    cluster: FakeCluster
    settings: Settings
    driver: StandinDriver
    parts: Parts

    def pod(
        self,
        name: str,
        *,
        key: str | None = None,
        env: Mapping[str, str] | None = None,
        annotations: Mapping[str, str] | None = None,
        namespace: str = NAMESPACE,
        owner: str | None = None,
        **spec: Any,
    ) -> Found:
        """A Pod that the scheduler gave to the node."""
        noted = dict(annotations or {}) | ({SNAPSHOT_KEY: key} if key is not None else {})
        variables = [{"name": k, "value": v} for k, v in (env or {}).items()]
        container = {"name": "main", "image": "python", "env": variables, "ports": [{"containerPort": 8080}]}
        metadata: Found = {"namespace": namespace, "name": name, "annotations": noted}
        if owner is not None:
            reference = {"apiVersion": "agents.x-k8s.io/v1beta1", "kind": "Sandbox", "name": owner}
            metadata["ownerReferences"] = [reference | {"uid": f"uid-{owner}", "controller": True}]
        found = {"metadata": metadata, "spec": {"nodeName": NODE, "containers": [container], **spec}}
        return self.cluster.put("pods", found)

    def build(self, sandbox: str, **options: Any) -> Found:
        """The Pod of a build Sandbox, which is there too, for the snapshot `snap`."""
        snapshot = self.cluster.get("sandboxsnapshots", "snap", NAMESPACE) or {"metadata": {"uid": "?"}}
        owner = {"apiVersion": "v", "kind": "SandboxSnapshot", "name": "snap", "controller": True}
        owners = [owner | {"uid": snapshot["metadata"]["uid"]}]
        metadata = {"namespace": NAMESPACE, "name": sandbox, "ownerReferences": owners}
        self.cluster.put("sandboxes", {"metadata": metadata})
        env = {MODE_VARIABLE: "build", **options.pop("env", {})}
        return self.pod(f"{sandbox}-pod", env=env, owner=sandbox, **options)

    def snapshot(self, name: str = "snap", *, keys: str = "") -> Found:
        """A SandboxSnapshot."""
        metadata = {"namespace": NAMESPACE, "name": name, "annotations": {LIVE_KEYS: keys}}
        return self.cluster.put("sandboxsnapshots", {"metadata": metadata})

    def task(self, name: str = "task", **spec: Any) -> Found:
        """A task for the node, right but for what is given; the snapshot `snap` must be there."""
        snapshot = self.cluster.get("sandboxsnapshots", "snap", NAMESPACE)
        right = {
            "snapshotRef": {"name": "snap"},
            "snapshotUID": snapshot and snapshot["metadata"]["uid"],
            "snapshotMode": "Fork",
            "targetSandboxRef": {"name": "build"},
            "targetNodeName": NODE,
            "providerName": self.driver.name,
            "snapshotKey": "key-1",
            "snapshotHash": HASH,
        }
        metadata = {"namespace": NAMESPACE, "name": name}
        return self.cluster.put("sandboxsnapshottasks", {"metadata": metadata, "spec": {**right, **spec}})

    def status(self, name: str, plural: str = "pods", namespace: str = NAMESPACE) -> Found:
        """The status of an object, {} if it has none, or is gone."""
        found = self.cluster.get(plural, name, namespace) or {}
        status: Found = found.get("status") or {}
        return status

    def conditions(self, name: str, namespace: str = NAMESPACE) -> dict[str, str]:
        """The conditions of a Pod."""
        return {c["type"]: c["status"] for c in self.status(name, namespace=namespace).get("conditions", ())}

    def is_ready(self, name: str, namespace: str = NAMESPACE) -> bool:
        """Whether a Pod is Ready."""
        return self.conditions(name, namespace).get("Ready") == "True"

    async def until_ready(self, name: str, namespace: str = NAMESPACE) -> Found:
        """The status of a Pod once it is Ready."""
        try:
            await self.cluster.until(lambda: self.is_ready(name, namespace))
        except TimeoutError as err:
            status = self.status(name, namespace=namespace)
            raise AssertionError(f"Pod {name} is not Ready: {status}") from err
        return self.status(name, namespace=namespace)

    async def until_failed(self, name: str) -> Found:
        """The status of a Pod once it has failed."""
        await self.cluster.until(lambda: self.status(name).get("phase") == "Failed")
        return self.status(name)

    async def until_answered(self, name: str = "task") -> Found:
        """The status of a task once it has one."""
        plural = "sandboxsnapshottasks"
        found: Found = await self.cluster.until(lambda: self.status(name, plural))
        return found

    async def told(self, name: str, namespace: str = NAMESPACE) -> Found:
        """What the process of a Pod that is Ready says of itself."""
        address = self.status(name, namespace=namespace)["podIP"]
        answer = await self.get(f"http://{address}:8080/witness")
        found: Found = json.loads(answer)
        return found

    async def entries(self) -> dict[str, Found]:
        """What the node says that it runs, by name of the Pod."""
        listed = json.loads(await self.get(f"http://{self.settings.http}/pods"))
        return {entry["request"]["name"]: entry for entry in listed}

    async def key_comes_late(self) -> None:
        """Pod `second` gets a key after the node has seen it, while it waits to start; then it is Ready.

        For a node with one turn for cold starts.
        """
        self.driver.put(NAMESPACE, "k")
        self.pod("first", env=ENDLESS)
        await self.cluster.until(self.processes)
        # Seen, and waiting for its turn to start.
        self.pod("second")
        async with asyncio.timeout(60):
            while "second" not in await self.entries():
                await asyncio.sleep(0.01)
        late = {"metadata": {"annotations": {SNAPSHOT_KEY: "k"}}}
        self.cluster.edit("pods", "second", late, NAMESPACE)
        self.cluster.delete_pod("first", NAMESPACE, grace=0)
        await self.until_ready("second")

    async def get(self, url: str) -> bytes:
        """The body of a GET."""
        return await asyncio.to_thread(_request, url, None, None)

    async def post(self, path: str) -> None:
        """Tell the node something."""
        await asyncio.to_thread(_request, f"http://{self.settings.http}{path}", b"", None)

    async def delete(self, path: str) -> None:
        """Take something from the node."""
        await asyncio.to_thread(_request, f"http://{self.settings.http}{path}", None, "DELETE")

    def processes(self) -> set[int]:
        """What runs and was started by the node."""
        return {process.pid for process in marked(self.settings.state)}

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """The node at work while the body runs; what it starts goes on after that."""
        driver: Driver = self.driver
        test = asyncio.current_task()
        assert test is not None
        with owning(self.settings.state):
            await sweep(self.settings.state)
            task = asyncio.ensure_future(serve(self.settings, self.parts, driver))
            # A node that ended by an error is not waited for.
            ended = lambda _: test.cancel()  # noqa: E731
            task.add_done_callback(ended)
            try:
                async with asyncio.timeout(60):
                    while not await self._healthy():
                        await asyncio.sleep(0.01)
                yield
            except asyncio.CancelledError:
                if task.done() and not task.cancelled():
                    task.result()
                raise
            finally:
                task.remove_done_callback(ended)
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

    async def _healthy(self) -> bool:
        try:
            await self.get(f"http://{self.settings.http}/healthz")
        except OSError:
            return False
        return True


@contextlib.asynccontextmanager
async def bench(
    folder: Path,
    *,
    parts: Parts | None = None,
    policy: Policy = Policy.COLD,
    restore_limit_s: float = 5,
    cold_starts: int = 0,
    start_s: float = 60,
    heartbeat_s: float = 0.1,
    create_limit_s: float = 5,
    **settings: Any,
) -> AsyncIterator[Bench]:
    """A cluster, and a node that is not at work yet."""
    async with cluster(folder) as (found, kubeconfig):
        state = folder / "node"
        told = Settings(
            name=NODE,
            network=network_of(folder),
            kubeconfig=kubeconfig,
            agent_kubeconfig=kubeconfig,
            state=state,
            http=Address("127.0.0.1", free_port()),
            options=Options(sockets(folder), STANDIN, policy, restore_limit_s),
            limits=Limits(cold_starts, start_s),
            heartbeat_s=heartbeat_s,
            create_limit_s=create_limit_s,
        )
        yield Bench(found, replace(told, **settings), StandinDriver(NODE), parts or Parts())


@contextlib.asynccontextmanager
async def node(folder: Path, **options: Any) -> AsyncIterator[Bench]:
    """A node at work."""
    async with bench(folder, **options) as found, found.running():
        yield found


def network_of(folder: Path) -> ipaddress.IPv4Network:
    """Addresses for the node of one test only: 60 for Pods."""
    number = int.from_bytes(hashlib.sha256(str(folder).encode()).digest()[:4], "big") % (150 * 256 * 4)
    return ipaddress.IPv4Network((int(ipaddress.IPv4Address("127.100.0.0")) + number * 64, 26))


def sockets(folder: Path) -> Path:
    """A folder with a short path."""
    return Path("/tmp") / f"s{hashlib.sha256(str(folder).encode()).hexdigest()[:12]}"


def marked(state: Path) -> Iterator[psutil.Process]:
    """The processes that carry the mark of a node, and run."""
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.environ().get(MARK) == str(state) and process.status() != psutil.STATUS_ZOMBIE:
                yield process


def _request(url: str, body: bytes | None, method: str | None) -> bytes:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(urllib.request.Request(url, data=body, method=method), timeout=5) as answer:
            content: bytes = answer.read()
            return content
    except urllib.error.HTTPError as err:
        err.close()
        raise
