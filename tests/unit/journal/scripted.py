"""An API server on loopback that answers lists and watches as a script says, truthfully or not."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
import yaml
from aiohttp import web

from fixtures.kube.connection import Connection
from fixtures.kube.kinds import Kind
from tests.unit.journal.objects import NAMESPACE, Object

#: Steps of a watch besides bytes: end the stream properly, cut the connection, say nothing more.
CLOSE, DROP, HOLD = "close", "drop", "hold"

#: A watch is a list of steps; an integer instead is an HTTP status without a stream.
Watch = list[bytes | str] | int


def event(type_: str, obj: Object) -> bytes:
    """One line of a watch."""
    return orjson.dumps({"type": type_, "object": obj}) + b"\n"


def bookmark(version: int) -> bytes:
    """A line that only moves the version on."""
    return event("BOOKMARK", {"metadata": {"resourceVersion": str(version)}})


def expired() -> bytes:
    """The ERROR event of a version that the server no longer has."""
    return event("ERROR", {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old"})


@dataclass
class Plan:
    """What the server does with one kind; answers that are used up give way to `items` and HOLD."""

    items: list[Object] = field(default_factory=list)
    version: int = 1
    #: HTTP statuses of the next lists; 200 for an honest one, 0 for none at all.
    list_statuses: deque[int] = field(default_factory=deque)
    watches: deque[Watch] = field(default_factory=deque)
    #: What every watch does once `watches` is used up.
    afterwards: Watch = field(default_factory=lambda: [HOLD])
    #: resourceVersion of each watch request, and the number of lists.
    watched_from: list[str] = field(default_factory=list)
    lists: int = 0
    open: list[asyncio.Queue[bytes]] = field(default_factory=list)


class ScriptedServer:
    """Serves `plans`, one per kind, on 127.0.0.1 from a thread of its own."""

    def __init__(self, kinds: tuple[Kind, ...], folder: Path) -> None:
        self.plans = {kind: Plan() for kind in kinds}
        self.agents: set[str] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self._ending = asyncio.Event()
        self.port: int = self._call(self._start())
        self.connection = connection(folder, self.port)

    def send(self, kind: Kind, *lines: bytes) -> None:
        """Write to every watch of the kind that is held open, in one chunk."""

        async def put() -> None:
            for queue in self.plans[kind].open:
                queue.put_nowait(b"".join(lines))

        self._call(put())

    def stop(self) -> None:
        """End every stream and the server."""
        self._call(self._stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _call(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    async def _start(self) -> int:
        app = web.Application()
        for kind, plan in self.plans.items():
            app.router.add_get(kind.path(NAMESPACE), self._handler(plan))
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        port: int = self._runner.addresses[0][1]
        return port

    async def _stop(self) -> None:
        self._ending.set()
        await self._runner.cleanup()

    def _handler(self, plan: Plan) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def handle(request: web.Request) -> web.StreamResponse:
            self.agents.add(request.headers["User-Agent"])
            if "watch" in request.query:
                plan.watched_from.append(request.query["resourceVersion"])
                return await self._watch(request, plan)
            plan.lists += 1
            status = plan.list_statuses.popleft() if plan.list_statuses else 200
            if status == 0:
                await self._ending.wait()
            if status not in (0, 200):
                return web.Response(status=status, text=f"scripted {status}")
            metadata = {"resourceVersion": str(plan.version)}
            return web.Response(body=orjson.dumps({"metadata": metadata, "items": plan.items}))

        return handle

    async def _watch(self, request: web.Request, plan: Plan) -> web.StreamResponse:
        steps = plan.watches.popleft() if plan.watches else plan.afterwards
        if isinstance(steps, int):
            return web.Response(status=steps, text=f"scripted {steps}")
        stream = web.StreamResponse()
        await stream.prepare(request)
        for step in steps:
            if step == HOLD:
                await self._hold(stream, plan)
            elif step == DROP:
                assert request.transport is not None
                # What was written must leave before the connection is cut.
                await asyncio.sleep(0.02)
                request.transport.abort()
                return stream
            elif step == CLOSE:
                break
            else:
                assert isinstance(step, bytes)
                await stream.write(step)
                # Two steps are two chunks on the wire.
                await asyncio.sleep(0.01)
        return stream

    async def _hold(self, stream: web.StreamResponse, plan: Plan) -> None:
        queue: asyncio.Queue[bytes] = asyncio.Queue()
        plan.open.append(queue)
        ending = asyncio.create_task(self._ending.wait())
        try:
            while not self._ending.is_set():
                line = asyncio.create_task(queue.get())
                await asyncio.wait({line, ending}, return_when=asyncio.FIRST_COMPLETED)
                if line.done():
                    await stream.write(line.result())
                else:
                    line.cancel()
        finally:
            ending.cancel()
            plan.open.remove(queue)


def connection(folder: Path, port: int) -> Connection:
    """A kubeconfig with one context, `unit`, for a server on loopback."""
    path = folder / "kubeconfig"
    path.write_text(
        yaml.safe_dump(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "clusters": [{"name": "unit", "cluster": {"server": f"http://127.0.0.1:{port}"}}],
                "users": [{"name": "unit", "user": {}}],
                "contexts": [{"name": "unit", "context": {"cluster": "unit", "user": "unit"}}],
            }
        )
    )
    return Connection(path, "unit")
