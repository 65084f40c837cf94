"""A proxy in front of a small API server, a controller behind it, and what tells it what to do."""

from __future__ import annotations

import asyncio
import http.client
import select
import threading
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson
import pytest
from aiohttp import web

from fixtures.kube.kinds import SANDBOX, Kind
from fixtures.sabotage import Sabotage, faults
from fixtures.sabotage.proxy import Proxy
from fixtures.sabotage.rule import Rule
from fixtures.sabotage.wire import Event, Object
from tests.unit.sabotage.upstream import ApiServer

#: Namespaces of the objects that the self-tests make.
HERE, THERE = "asc-here", "asc-there"
#: Seconds for what happens at once, also on a busy machine.
SOON = 20.0
#: Seconds in which what is to be late, or never to come, would have come.
A_MOMENT = 0.05


class Hide(Rule):
    """Objects with a label `hidden` are not there; those with a label `lie` look as if it said more."""

    name = "hide"

    def view(self, obj: Object) -> Object | None:
        labels = obj["metadata"].get("labels") or {}
        if labels.get("hidden"):
            self.hit(f"{obj['metadata']['name']} hidden")
            return None
        if labels.get("lie"):
            labels["lie"] = "told"
            self.hit(f"{obj['metadata']['name']} dressed up")
        return obj


class Clumsy(Rule):
    """It fails where it is told to."""

    name = "clumsy"

    def __init__(self, namespace: str = "", *, where: str) -> None:
        super().__init__(namespace)
        self._where = where

    def view(self, obj: Object) -> Object | None:
        if self._where == "view":
            raise KeyError("no such field")
        return obj

    def observe(self, event: Event) -> None:
        if self._where == "act":
            self.act(self._stumble())

    async def _stumble(self) -> None:
        raise KeyError("no such field")


class Busy(Rule):
    """It writes, again and again."""

    name = "busy"

    def started(self) -> None:
        self.act(self._write())

    async def _write(self) -> None:
        while True:
            self.hit("a write")
            await self.proxy.send("PATCH", SANDBOX.path(self.namespace, "one"), {"metadata": {}})
            await asyncio.sleep(0.01)


RULES = faults.RULES | {rule.name: rule for rule in (Hide, Clumsy, Busy)}


def sandbox(name: str = "one", namespace: str = HERE, **labels: str) -> Object:
    """A Sandbox."""
    metadata = {"name": name, "namespace": namespace, "labels": labels}
    return {"apiVersion": SANDBOX.api_version, "kind": SANDBOX.name, "metadata": metadata, "spec": {}}


@dataclass
class Reply:
    """An answer to the controller."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return orjson.loads(self.body)

    @property
    def labels(self) -> dict[str, str]:
        found: dict[str, str] = self.json["metadata"]["labels"]
        return found


class Watch:
    """An open watch of the controller."""

    def __init__(self, connection: http.client.HTTPConnection) -> None:
        self._connection = connection
        self.reply = connection.getresponse()

    def next(self) -> tuple[str, str]:
        """Type of the next event and name of its object; empty texts at the end."""
        line = self.reply.readline()
        if not line:
            return "", ""
        event = orjson.loads(line)
        return event["type"], event["object"].get("metadata", {}).get("name", "")

    def silent(self) -> bool:
        """Whether nothing comes for a moment."""
        assert self._connection.sock is not None
        return not select.select([self._connection.sock], [], [], A_MOMENT)[0]

    def close(self) -> None:
        self.reply.close()
        self._connection.close()


@dataclass
class Controller:
    """What speaks to the API server through the proxy."""

    port: int
    open: list[http.client.HTTPConnection] = field(default_factory=list)

    def _connect(self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]) -> Any:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=SOON)
        self.open.append(connection)
        connection.request(method, path, body=body, headers={"User-Agent": "controller", **headers})
        return connection

    def send(
        self, method: str, path: str, body: object = None, *, raw: bytes | None = None, **headers: str
    ) -> Reply:
        """A request and its answer; `headers` with _ for -."""
        given = {k.replace("_", "-"): v for k, v in headers.items()}
        if body is not None:
            raw = orjson.dumps(body)
            given.setdefault("Content-Type", "application/json")
        connection = self._connect(method, path, raw, given)
        reply = connection.getresponse()
        return Reply(reply.status, dict(reply.getheaders()), reply.read())

    def get(self, name: str = "one", kind: Kind = SANDBOX) -> Reply:
        """Read one object."""
        return self.send("GET", kind.path(HERE, name))

    def names(self, kind: Kind = SANDBOX) -> list[str]:
        """Names of all objects of a kind, as a list tells them."""
        return [item["metadata"]["name"] for item in self.send("GET", kind.path()).json["items"]]

    def create(self, name: str = "one", **labels: str) -> Reply:
        """Create a Sandbox."""
        return self.send("POST", SANDBOX.path(HERE), sandbox(name, **labels))

    def watch(self, kind: Kind = SANDBOX, query: str = "") -> Watch:
        """Watch a kind in all namespaces."""
        return Watch(self._connect("GET", f"{kind.path()}?watch=true{query}", None, {}))


class Loop:
    """An event loop in a thread of its own."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(SOON)

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


@dataclass
class World:
    """API server, proxy and controller."""

    run: Callable[[Coroutine[Any, Any, Any]], Any]
    server: ApiServer
    sabotage: Sabotage
    controller: Controller
    #: Ends the proxy as SIGTERM does.
    stop: Callable[[], None]

    def put(self, obj: Object) -> None:
        """Somebody else creates or changes an object."""
        self.run(self.server.put(obj))

    def remove(self, obj: Object) -> None:
        """Somebody else deletes an object."""
        self.run(self.server.remove(obj))

    def writes(self) -> list[str]:
        """The writes that have reached the API server, but for those of rules."""
        return [
            f"{asked.method} {asked.path.rpartition('/')[2]}"
            for asked in self.server.asked
            if asked.method != "GET"
        ]

    def wait_for_watches(self, *plurals: str) -> None:
        """Return when the API server has exactly these watches."""
        eventually(lambda: self.run(self.server.watched()) == sorted(plurals))


class Hits:
    """Listens to the hits in a namespace, as a test's journal does."""

    def __init__(self, world: World, namespace: str = HERE) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", world.controller.port, timeout=SOON)
        world.controller.open.append(connection)
        connection.request("GET", world.sabotage.hits_url(namespace).partition(str(world.controller.port))[2])
        self._stream = Watch(connection)
        assert self._stream.reply.readline() == b"\n"

    def next(self) -> tuple[str, str]:
        """Name of the rule and text of the next hit; empty texts at the end."""
        line = self._stream.reply.readline()
        hit = orjson.loads(line) if line else {"rule": "", "text": ""}
        return hit["rule"], hit["text"]

    def nothing(self) -> bool:
        """Whether nothing comes for a moment."""
        return self._stream.silent()


@pytest.fixture
def world() -> Iterator[World]:
    """A proxy with the faults and some rules of the self-tests."""
    loop = Loop()
    server = ApiServer()
    proxy = Proxy(loop.run(server.start()), False, {"Authorization": "Bearer secret"}, RULES)

    async def serve() -> web.AppRunner:
        # Longer than any self-test: what does not end by itself is noticed.
        runner = web.AppRunner(
            proxy.application(), access_log=None, shutdown_timeout=3 * SOON, handler_cancellation=True
        )
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        return runner

    runner = loop.run(serve())
    port = runner.addresses[0][1]
    controller = Controller(port)
    yield World(
        loop.run, server, Sabotage(f"http://127.0.0.1:{port}"), controller, lambda: loop.run(runner.cleanup())
    )
    for connection in controller.open:
        connection.close()
    loop.run(runner.cleanup())
    loop.run(server.stop())
    loop.stop()


def eventually(what: Callable[[], bool]) -> None:
    """Return once it is true. Fails if it does not become so soon."""
    deadline = time.monotonic() + SOON
    pause = threading.Event()
    while not what():
        assert time.monotonic() < deadline, "never happened"
        pause.wait(0.005)
