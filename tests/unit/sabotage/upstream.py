"""A small API server on loopback: it keeps what it is sent, lists it, and tells those who watch."""

from __future__ import annotations

import asyncio
import copy
import gzip
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from aiohttp import web

from fixtures.kube.kinds import CLAIM, POD, SANDBOX, WARM_POOL, Kind

Object = dict[str, Any]
KINDS = {kind.plural: kind for kind in (SANDBOX, CLAIM, POD, WARM_POOL)}


@dataclass(frozen=True)
class Asked:
    """One request as it arrived."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes


class ApiServer:
    """Everything runs on one event loop; `put`, `remove` and `say` must be called there."""

    def __init__(self) -> None:
        self.objects: dict[str, Object] = {}
        self.asked: list[Asked] = []
        self.version = 100
        self._watches: dict[asyncio.Queue[bytes | None], str] = {}
        self._runner: web.AppRunner | None = None

    async def start(self) -> str:
        """Listen; where."""
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._serve)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1, handler_cancellation=True)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        return f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def stop(self) -> None:
        """Cut every connection and listen no more."""
        assert self._runner is not None
        for connection in list(self._runner.server.connections if self._runner.server else ()):
            if connection.transport is not None:
                connection.transport.abort()
        await self._runner.cleanup()

    async def put(self, obj: Object) -> Object:
        """Create or change an object, as somebody else would do it."""
        path = self._path(obj)
        self.version += 1
        obj = copy.deepcopy(obj)
        obj["metadata"].setdefault("uid", f"uid-{obj['metadata']['name']}")
        obj["metadata"]["resourceVersion"] = str(self.version)
        kind = "MODIFIED" if path in self.objects else "ADDED"
        self.objects[path] = obj
        self._tell(kind, obj)
        return obj

    async def remove(self, obj: Object) -> None:
        """Delete an object."""
        self.version += 1
        found = self.objects.pop(self._path(obj))
        self._tell("DELETED", found)

    async def say(self, plural: str, *chunks: bytes) -> None:
        """Write bytes to every watch of a resource, each in a chunk of its own."""
        for queue in [q for q, watched in self._watches.items() if watched == plural]:
            for chunk in chunks:
                queue.put_nowait(chunk)

    async def end_watches(self) -> None:
        """End every watch in order, as the API server does it after some minutes."""
        for queue in self._watches:
            queue.put_nowait(None)

    async def watched(self) -> list[str]:
        """The resources of the open watches."""
        return sorted(self._watches.values())

    @staticmethod
    def _path(obj: Object) -> str:
        kind = next(k for k in KINDS.values() if k.name == obj["kind"])
        return kind.path(obj["metadata"]["namespace"], obj["metadata"]["name"])

    def _tell(self, type_: str, obj: Object) -> None:
        plural = next(k.plural for k in KINDS.values() if k.name == obj["kind"])
        line = orjson.dumps({"type": type_, "object": obj}) + b"\n"
        for queue in [q for q, watched in self._watches.items() if watched == plural]:
            queue.put_nowait(line)

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        self.asked.append(
            Asked(request.method, request.path, dict(request.query), dict(request.headers), body)
        )
        kind = next((k for p, k in KINDS.items() if p in request.path.split("/")), None)
        if kind is None or request.path.endswith("/log"):
            return web.Response(text=f"{request.method} {request.path}", headers={"Warning": "299 - old"})
        if request.method == "GET":
            return await self._read(request, kind)
        return await self._write(request, body)

    async def _read(self, request: web.Request, kind: Kind) -> web.StreamResponse:
        if request.query.get("watch"):
            return await self._watch(request, kind)
        if request.path in self.objects:
            return _json(self.objects[request.path])
        if request.path.endswith(kind.plural):
            items = [o for o in self.objects.values() if o["kind"] == kind.name]
            # As the real one does it, the items do not say what they are.
            bare = [{k: v for k, v in o.items() if k not in ("kind", "apiVersion")} for o in items]
            listed = {"kind": f"{kind.name}List", "apiVersion": kind.api_version, "items": bare}
            reply = _json({**listed, "metadata": {"resourceVersion": str(self.version)}})
            if "gzip" in request.headers.get("Accept-Encoding", ""):
                reply.headers["Content-Encoding"] = "gzip"
                reply.body = gzip.compress(orjson.dumps(listed))
            return reply
        return _json({"kind": "Status", "code": 404, "reason": "NotFound"}, 404)

    async def _write(self, request: web.Request, body: bytes) -> web.Response:
        path = request.path.removesuffix("/status")
        if request.method == "DELETE":
            if path in self.objects:
                await self.remove(self.objects[path])
            return _json({"kind": "Status", "status": "Success"})
        if "json" not in request.headers["Content-Type"]:
            return _json({"kind": "Pod", "metadata": {"name": "made"}}, 201)
        sent = orjson.loads(body)
        known = self.objects.get(path, {})
        if request.method == "PATCH" and not known:
            return _json({"kind": "Status", "code": 404, "reason": "NotFound"}, 404)
        return _json(await self.put(merged(known, sent)), 201 if request.method == "POST" else 200)

    async def _watch(self, request: web.Request, kind: Kind) -> web.StreamResponse:
        if request.query.get("resourceVersion") == "1":
            return _json({"kind": "Status", "code": 403, "reason": "Forbidden"}, 403)
        queue: asyncio.Queue[bytes | None] = asyncio.Queue()
        stream = web.StreamResponse(headers={"Content-Type": "application/json"})
        stream.enable_chunked_encoding()
        await stream.prepare(request)
        if request.query.get("sendInitialEvents") == "true":
            for obj in [o for o in self.objects.values() if o["kind"] == kind.name]:
                queue.put_nowait(orjson.dumps({"type": "ADDED", "object": obj}) + b"\n")
            note = {
                "annotations": {"k8s.io/initial-events-end": "true"},
                "resourceVersion": str(self.version),
            }
            queue.put_nowait(orjson.dumps({"type": "BOOKMARK", "object": {"metadata": note}}) + b"\n")
        self._watches[queue] = kind.plural
        try:
            while (line := await queue.get()) is not None:
                await stream.write(line)
                # Two lines are two chunks on the wire.
                await asyncio.sleep(0.001)
        finally:
            del self._watches[queue]
        return stream


def merged(known: Any, patch: Any) -> Any:
    """A merge patch, applied."""
    if not isinstance(patch, dict):
        return patch
    found = dict(known) if isinstance(known, dict) else {}
    for key, value in patch.items():
        if value is None:
            found.pop(key, None)
        else:
            found[key] = merged(found.get(key), value)
    return found


def _json(content: Object, status: int = 200) -> web.Response:
    return web.Response(body=orjson.dumps(content), status=status, content_type="application/json")
