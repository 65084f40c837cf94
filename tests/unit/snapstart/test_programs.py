"""Controller and front as whole programs on one store, over HTTP, with the test as upstream and as agents."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from fixtures.processes import free_port
from reference.objects import annotations_of, labels_of
from reference.program import Address
from reference.snapstart import kinds
from reference.snapstart.controller.__main__ import parser as controller_parser
from reference.snapstart.controller.__main__ import serve as serve_controller
from reference.snapstart.front.__main__ import parser as front_parser
from reference.snapstart.front.__main__ import serve as serve_front
from reference.snapstart.store.sqlite import SqliteStore
from tests.unit.rollout.substrate.test_operations import until
from tests.unit.snapstart.node.fakecluster import CREATED, FakeCluster, Found, cluster

PROVIDER = "zygote.ref"
NAMESPACE = "ns"
TASKS = "sandboxsnapshottasks"


class Site:
    """Both programs and what is around them."""

    def __init__(self, api: FakeCluster, kubeconfig: Path) -> None:
        self.api = api
        self.kubeconfig = kubeconfig
        self.folder = kubeconfig.parent
        self.front = Address("127.0.0.1", free_port())
        self.pages = {name: Address("127.0.0.1", free_port()) for name in ("controller", "front")}
        self.http: aiohttp.ClientSession

    @contextlib.asynccontextmanager
    async def controller(self, *options: str) -> AsyncIterator[None]:
        """The controller while the body runs."""
        arguments = controller_parser().parse_args(
            [*self._options("controller"), "--task-ttl", "0", *options]
        )
        async with _running(serve_controller(arguments)):
            await self.healthy("controller")
            yield

    @contextlib.asynccontextmanager
    async def fronting(self, *options: str) -> AsyncIterator[None]:
        """The front while the body runs."""
        listen = ["--listen", str(self.front)]
        arguments = front_parser().parse_args([*self._options("front"), *listen, *options])
        async with _running(serve_front(arguments)):
            await self.healthy("front")
            yield

    def _options(self, name: str) -> list[str]:
        return [
            *("--kubeconfig", str(self.kubeconfig)),
            *("--http", str(self.pages[name])),
            *("--store", str(self.folder / "store.db")),
            *("--store-faults", str(self.folder / "faults.json")),
        ]

    async def healthy(self, name: str) -> None:
        """Return when a program says that it works."""
        while True:
            with contextlib.suppress(aiohttp.ClientError):
                async with self.http.get(f"http://{self.pages[name]}/healthz") as reply:
                    if reply.status == 200:
                        return
            await asyncio.sleep(0.01)

    async def page(self, name: str) -> str:
        """What /metrics of a program says."""
        async with self.http.get(f"http://{self.pages[name]}/metrics") as reply:
            return await reply.text()

    async def around(self) -> None:
        """The upstream controller, and the agent of node `a`, until cancelled."""
        while True:
            await self.api.until(lambda: self.unanswered("sandboxes") or self.unanswered(TASKS), 60)
            for sandbox in self.unanswered("sandboxes"):
                ready = {"type": "Ready", "status": "True", "reason": "DependenciesReady"}
                status = {"conditions": [ready], "podIPs": ["127.60.0.1"]}
                self.api.put("sandboxes", {**sandbox, "status": status})
            for task in self.unanswered(TASKS):
                self.api.put(TASKS, {**task, "status": {"phase": "Ready", "observedAt": CREATED}})

    def unanswered(self, plural: str) -> list[Found]:
        """Objects of a kind that have no status yet."""
        return [found for found in self.api.all(plural) if not found.get("status")]

    async def post(self, **asked: Any) -> tuple[int, Any]:
        """A session."""
        body = {"namespace": NAMESPACE, "template": "python", **asked}
        async with self.http.post(f"http://{self.front}/v1/code-interpreter", json=body) as reply:
            return reply.status, await reply.json()

    @property
    def snapshot(self) -> Found | None:
        """The snapshot."""
        return self.api.get("sandboxsnapshots", "snap", NAMESPACE)

    def phase(self) -> str | None:
        """The phase of the snapshot."""
        phase: str | None = ((self.snapshot or {}).get("status") or {}).get("phase")
        return phase

    def reasons(self) -> list[str]:
        """The reasons of all Events."""
        return [event["reason"] for event in self.api.all("events")]

    def live_keys(self) -> str:
        """The live keys of the snapshot."""
        assert self.snapshot is not None
        return annotations_of(self.snapshot)[kinds.LIVE_KEYS]

    def sandbox(self, name: str) -> Found:
        """A session's Sandbox."""
        found = self.api.get("sandboxes", name, NAMESPACE)
        assert found is not None
        return found

    def pod_key(self, name: str) -> str | None:
        """The key that a session's Pod would get."""
        metadata = self.sandbox(name)["spec"]["podTemplate"]["metadata"]
        key: str | None = metadata["annotations"].get(kinds.SNAPSHOT_KEY)
        return key

    def set_ready(self, status: str) -> None:
        """The Ready condition of the node."""
        self.api.edit("nodes", "a", {"status": {"conditions": [{"type": "Ready", "status": status}]}})

    def use_image(self, image: str) -> None:
        """Give the template an image."""
        pod = {"containers": [{"name": "main", "image": image}]}
        self.api.edit("sandboxtemplates", "python", {"spec": {"podTemplate": {"spec": pod}}}, NAMESPACE)

    def create_all(self) -> None:
        """One node, class, template and snapshot."""
        self.api.put("nodes", {"metadata": {"name": "a", "labels": {kinds.provider_label(PROVIDER): "true"}}})
        self.set_ready("True")
        spec: dict[str, Any] = {"providerName": PROVIDER, "supportedSnapshotModes": ["Fork"]}
        self.api.put("snapshotclasses", {"metadata": {"name": "fast"}, "spec": spec})
        place = {"namespace": NAMESPACE}
        self.api.put("sandboxtemplates", {"metadata": {**place, "name": "python"}, "spec": {}})
        self.use_image("python")
        source = {"apiGroup": kinds.EXTENSIONS_GROUP, "kind": "SandboxTemplate", "name": "python"}
        spec = {"snapshotMode": "Fork", "snapshotClassName": "fast", "sourceRef": source}
        kind = {"apiVersion": kinds.API_VERSION, "kind": "SandboxSnapshot"}
        self.api.put("sandboxsnapshots", {**kind, "metadata": {**place, "name": "snap"}, "spec": spec})


@contextlib.asynccontextmanager
async def _running(program: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    task = asyncio.ensure_future(program)
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def on_site(tmp_path: Path, story: Callable[[Site], Coroutine[Any, Any, None]]) -> None:
    """Run a story with the API server and what is around the programs."""

    async def whole() -> None:
        async with aiohttp.ClientSession() as http, cluster(tmp_path) as (api, kubeconfig):
            site = Site(api, kubeconfig)
            site.http = http
            around = asyncio.ensure_future(site.around())
            try:
                await story(site)
                assert not around.done(), around
            finally:
                around.cancel()

    asyncio.run(asyncio.wait_for(whole(), 60))


def test_from_snapshot_to_restored_session(tmp_path: Path) -> None:
    """A snapshot MUST be built, serve sessions, follow its template, and go, all seen through watches."""

    async def story(site: Site) -> None:
        site.create_all()
        async with site.controller(), site.fronting():
            await until(lambda: site.phase() == "Ready")
            status, session = await site.post(name="one")
            assert status == 200, session
            key = site.pod_key("one")
            assert key is not None
            assert labels_of(site.sandbox("one"))[kinds.SESSION_ID] == session["sessionId"]
            await until(lambda: not site.api.all(TASKS))
            assert site.live_keys() == key

            site.use_image("other")
            assert (await site.post(name="two"))[0] == 200
            assert site.pod_key("two") is None
            await until(lambda: site.reasons().count("SandboxSnapshotReady") == 2 and site.phase() == "Ready")
            await site.post(name="three")
            assert site.pod_key("three") not in (None, key)

            site.api.delete("sandboxsnapshots", "snap", NAMESPACE)
            await until(lambda: site.snapshot is None)
            await site.post(name="four")
            assert site.pod_key("four") is None
            page = await site.page("front")
            assert 'agentcube_snapshot_restore_intent_total{mode="Fork",result="restore_intent"} 2.0' in page
            assert 'agentcube_snapshot_restore_intent_total{mode="Fork",result="cold_start"} 2.0' in page
            page = await site.page("controller")
            assert 'agentcube_sandbox_snapshot_rebuild_total{reason="source_changed"} 1.0' in page
            assert "agentcube_sandbox_snapshot_build_duration_seconds_count 2.0" in page
        assert "SandboxSnapshotRebuilding" in site.reasons()

    on_site(tmp_path, story)


def test_node_that_is_lost(tmp_path: Path) -> None:
    """SS-I8: a lost node MUST be noticed through its watch, and its return too."""

    async def story(site: Site) -> None:
        site.create_all()
        async with site.controller():
            await until(lambda: site.phase() == "Ready")
            site.set_ready("Unknown")
            await until(lambda: site.phase() != "Ready")
            site.set_ready("True")
            await until(lambda: site.phase() == "Ready")

    on_site(tmp_path, story)


def test_controller_that_is_started_again(tmp_path: Path) -> None:
    """SS-B12: a controller MUST go on where another one was cut off."""

    async def story(site: Site) -> None:
        site.create_all()
        async with site.controller():
            await until(lambda: bool(site.api.all(TASKS)))
        async with site.fronting():
            await site.post(name="cold")
            assert site.pod_key("cold") is None
            async with site.controller():
                await until(lambda: site.phase() == "Ready")
                await site.post(name="restored")
                assert site.pod_key("restored") is not None

    on_site(tmp_path, story)


def test_a_front_is_ready_when_it_can_be_asked(tmp_path: Path) -> None:
    """A front MUST NOT say that it is ready before sessions can be asked for."""

    async def story(site: Site) -> None:
        site.create_all()
        held = socket.create_server((site.front.host, site.front.port))
        asyncio.get_running_loop().call_later(0.5, held.close)
        async with site.fronting():
            assert (await site.post(name="one"))[0] == 200

    on_site(tmp_path, story)


def test_two_sessions_of_one_name(tmp_path: Path) -> None:
    """Of two requests for the same name one MUST succeed and the other be refused, whoever is first."""

    async def story(site: Site) -> None:
        site.create_all()
        async with site.fronting():
            answers = await asyncio.gather(*(site.post(name="same") for _ in range(4)))
        assert sorted(status for status, _ in answers) == [200, 409, 409, 409]

    on_site(tmp_path, story)


def test_records_without_a_snapshot(tmp_path: Path) -> None:
    """The record of a snapshot that vanished while no controller ran MUST be deleted, and no other."""

    async def story(site: Site) -> None:
        site.create_all()
        async with site.controller():
            await until(lambda: site.phase() == "Ready")
        store = SqliteStore(tmp_path / "store.db", writable=True)
        (kept,) = await store.keys("snapshot:")
        for key in (
            "snapshot:SandboxSnapshot:ns:gone:1",
            "snapshot:SandboxSnapshot:ns:snap:1",
            "snapshot:odd",
        ):
            await store.put(key, "{}", None)
        async with site.controller():
            async with asyncio.timeout(10):
                while await store.keys("snapshot:") != sorted([kept, "snapshot:odd"]):
                    await asyncio.sleep(0.01)
            assert site.phase() == "Ready"
        await store.close()

    on_site(tmp_path, story)


@pytest.mark.parametrize("fault", ["down", "slow", "corrupt"])
def test_store_that_is_disturbed(tmp_path: Path, fault: str) -> None:
    """SS-S3: while the store is disturbed sessions MUST start cold, in time, and be restored afterwards."""

    async def story(site: Site) -> None:
        site.create_all()
        async with site.controller(), site.fronting("--store-timeout", "0.2"):
            await until(lambda: site.phase() == "Ready")
            (tmp_path / "faults.json").write_text(json.dumps({"fault": fault, "seconds": 1}))
            status, _ = await asyncio.wait_for(site.post(name="cold"), 5)
            assert status == 200
            assert site.pod_key("cold") is None
            (tmp_path / "faults.json").unlink()
            await site.post(name="restored")
            assert site.pod_key("restored") is not None

    on_site(tmp_path, story)


def test_template_of_a_code_interpreter(tmp_path: Path) -> None:
    """SS-A7: a CodeInterpreter MUST have its template, seen through a watch alone."""

    async def story(site: Site) -> None:
        async with site.controller("--code-interpreters"):
            body = {
                "apiVersion": kinds.API_VERSION,
                "kind": "CodeInterpreter",
                "metadata": {"namespace": NAMESPACE, "name": "ci"},
                "spec": {"podTemplate": {"spec": {"containers": []}}},
            }
            site.api.put("codeinterpreters", body)
            await until(lambda: site.api.get("sandboxtemplates", "ci", NAMESPACE) is not None)

    on_site(tmp_path, story)
