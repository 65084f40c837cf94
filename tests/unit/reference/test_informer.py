"""Informers against an API server that loses watches and forgets versions."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

from aiohttp import web
from lightkube import AsyncClient
from lightkube.config.kubeconfig import KubeConfig, SingleConfig

from fixtures.processes import free_port
from reference.informer import Informer, Informers
from reference.program import Address, listening
from reference.rollout.kinds import ActorTemplate
from tests.unit.rollout.substrate.test_operations import until

GONE = {"type": "ERROR", "object": {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old"}}


def template(name: str, version: int) -> dict[str, Any]:
    """A template as the API server tells it."""
    return {
        "apiVersion": "ate.dev/v1alpha1",
        "kind": "ActorTemplate",
        "metadata": {"name": name, "namespace": "ns", "resourceVersion": str(version)},
    }


def configuration(server: str) -> SingleConfig:
    """How to reach a server that asks for no credentials."""
    return KubeConfig.from_dict(
        {
            "clusters": [{"name": "fake", "cluster": {"server": server}}],
            "users": [{"name": "fake", "user": {}}],
            "contexts": [{"name": "fake", "context": {"cluster": "fake", "user": "fake"}}],
            "current-context": "fake",
        }
    ).get()


class FakeServer:
    """Lists what it has; a watch gets what is sent to it, until it is cut."""

    def __init__(self) -> None:
        self.objects: list[dict[str, Any]] = []
        self.lists = 0
        self.watches: list[asyncio.Queue[dict[str, Any] | None]] = []

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """A list or a watch."""
        if request.query.get("watch") != "true":
            self.lists += 1
            metadata = {"resourceVersion": str(100 + self.lists)}
            return web.json_response(
                {"kind": "ActorTemplateList", "metadata": metadata, "items": self.objects}
            )
        queue: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()
        self.watches.append(queue)
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        while (event := await queue.get()) is not None:
            await response.write(json.dumps(event).encode() + b"\n")
        if request.transport is not None:
            request.transport.abort()
        return response


@contextlib.asynccontextmanager
async def informed() -> AsyncIterator[tuple[FakeServer, Informer, list[tuple[str | None, str | None]]]]:
    """An informer at work, its server, and the versions before and after of everything it heard."""
    server, address = FakeServer(), Address("127.0.0.1", free_port())
    application = web.Application()
    application.router.add_get("/apis/ate.dev/v1alpha1/actortemplates", server.answer)
    heard: list[tuple[str | None, str | None]] = []

    def listen(before: Any, after: Any) -> None:
        heard.append(tuple(None if o is None else o["metadata"]["resourceVersion"] for o in (before, after)))  # type: ignore[arg-type]

    async with listening(application, address):
        client = AsyncClient(config=configuration(f"http://{address}"), trust_env=False)
        informer = Informer(client, ActorTemplate)
        informer.listen(listen)
        server.objects = [template("a", 1), template("b", 2)]
        task = asyncio.ensure_future(informer.run())
        try:
            await informer.synced.wait()
            await until(lambda: server.watches)
            yield server, informer, heard
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            for queue in server.watches:
                queue.put_nowait(None)
            await client.aclose()


def test_the_first_list_and_every_change_are_heard() -> None:
    """Listeners MUST hear each object of the first list, and each change once."""

    async def test() -> None:
        async with informed() as (server, informer, heard):
            assert sorted(heard, key=str) == [(None, "1"), (None, "2")]
            (watch,) = server.watches
            watch.put_nowait({"type": "MODIFIED", "object": template("a", 3)})
            watch.put_nowait({"type": "DELETED", "object": template("b", 4)})
            watch.put_nowait({"type": "ADDED", "object": template("c", 5)})
            await until(lambda: len(heard) == 5)
            assert heard[2:] == [("1", "3"), ("2", None), (None, "5")]
            assert {found["metadata"]["name"] for found in informer.list("ns")} == {"a", "c"}
            assert informer.get("ns", "b") is None

    asyncio.run(test())


def test_what_happened_without_a_watch_is_heard_after() -> None:
    """Changes and deletions during an interrupted watch MUST be found by the next list, after a 410 too."""

    async def test() -> None:
        async with informed() as (server, informer, heard):
            for end in (None, GONE):
                del heard[:]
                before = len(server.watches)
                kept = server.objects[0]["metadata"]["name"]
                version = int(server.objects[0]["metadata"]["resourceVersion"]) + 10
                server.objects = [template(kept, version), template(f"new{version}", version + 1)]
                server.watches[-1].put_nowait(end)
                await until(lambda before=before: len(server.watches) > before)
                assert (None, str(version + 1)) in heard
                assert any(after is None for _, after in heard)
                assert len(heard) == 3

    asyncio.run(test())


def test_several_are_synced_when_the_last_one_is() -> None:
    """Informers that run together MUST NOT count as synced while one of them has listed nothing."""

    async def test() -> None:
        async with informed() as (_, first, _):
            address = Address("127.0.0.1", free_port())
            client = AsyncClient(config=configuration(f"http://{address}"), trust_env=False)
            heard: list[Any] = []
            both = Informers(first)
            both.add(Informer(client, ActorTemplate), lambda _before, after: heard.append(after))
            task = asyncio.ensure_future(both.run())
            try:
                await asyncio.wait([asyncio.ensure_future(both.until_synced())], timeout=0.3)
                assert first.synced.is_set()
                assert not both.synced

                server = FakeServer()
                server.objects = [template("z", 1)]
                application = web.Application()
                application.router.add_get("/apis/ate.dev/v1alpha1/actortemplates", server.answer)
                async with listening(application, address):
                    await asyncio.wait_for(both.until_synced(), 10)
                    assert both.synced
                    assert heard == server.objects
                    await until(lambda: server.watches)
                    server.watches[-1].put_nowait(None)
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
                await client.aclose()

    asyncio.run(test())
