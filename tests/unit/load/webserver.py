"""A web server on loopback that says which connection each request came on, and answers as a test says."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web

from fixtures.kube.connection import Connection
from fixtures.load.transport import KeepAliveTransport
from tests.unit.journal.scripted import connection

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True)
class Call:
    """One request: method, path with query, and the client's port."""

    method: str
    path: str
    port: int


@dataclass
class WebServer:
    """What a running server has seen. `answer` may be replaced at any time."""

    connection: Connection
    answer: Answer
    calls: list[Call] = field(default_factory=list)
    under_way: int = 0
    most_under_way: int = 0
    #: Set when the server is to end what it holds.
    ending: asyncio.Event = field(default_factory=asyncio.Event)

    def of(self, method: str) -> list[Call]:
        """The requests of one method."""
        return [call for call in self.calls if call.method == method]

    async def handle(self, request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        port = request.transport.get_extra_info("peername")[1]
        self.calls.append(Call(request.method, request.path_qs, port))
        if request.path == "/version":
            return web.json_response({})
        return await self.answer(request)


async def created(request: web.Request) -> web.StreamResponse:
    """201, with a UID."""
    return web.json_response({"metadata": {"uid": "uid-1"}}, status=201)


@contextmanager
def web_server(folder: Path, answer: Answer = created) -> Iterator[WebServer]:
    """A server in a thread of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    def call(work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, loop).result(10)

    async def start() -> tuple[WebServer, web.AppRunner]:
        server = WebServer(Connection(folder, ""), answer)
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", server.handle)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        server.connection = connection(folder, runner.addresses[0][1])
        return server, runner

    async def stop() -> None:
        server.ending.set()
        await runner.cleanup()

    server, runner = call(start())
    try:
        yield server
    finally:
        call(stop())
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def use(server: WebServer, work: Callable[[KeepAliveTransport], Awaitable[Any]], connections: int = 1) -> Any:
    """What `work` returns for a transport that is open, on a loop of its own."""

    async def run() -> Any:
        transport = KeepAliveTransport(server.connection, "asc-load::unit")
        await transport.open(connections)
        try:
            return await work(transport)
        finally:
            await transport.close()

    return asyncio.run(run())
