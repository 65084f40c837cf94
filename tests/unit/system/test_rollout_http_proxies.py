"""The proxies of a rollout that speak HTTP: in front of the router to actors, and of the API server."""

from __future__ import annotations

import asyncio
import http.client
import threading
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from fixtures.journal.background import background
from fixtures.kube.connection import Connection, open_kubeconfig
from fixtures.processes import free_port
from fixtures.system.rollout.apiproxy import ApiProxy
from fixtures.system.rollout.events import Visit
from fixtures.system.rollout.routerproxy import Refusal, RouterProxy

#: Seconds for what happens at once, also on a busy machine.
SOON = 20.0


class Upstream:
    """A server that says who was asked for what, in two parts; the second waits for `go_on`."""

    def __init__(self) -> None:
        self.reached: list[str] = []
        self.go_on = asyncio.Event()
        self.runner: web.AppRunner
        self.url = background().run(self._start(), timeout=SOON)

    async def _start(self) -> str:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._serve)
        self.runner = web.AppRunner(app, shutdown_timeout=0.1, handler_cancellation=True)
        await self.runner.setup()
        await web.TCPSite(self.runner, "127.0.0.1", 0).start()
        return f"http://127.0.0.1:{self.runner.addresses[0][1]}"

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        self.reached.append(f"{request.method} {request.host} {request.rel_url}")
        reply = web.StreamResponse(status=203, headers={"X-Served-By": "upstream"})
        await reply.prepare(request)
        await reply.write(await request.read() or b"first ")
        if request.path == "/cut":
            assert request.transport is not None
            request.transport.abort()
            return reply
        if request.path == "/stream":
            await self.go_on.wait()
        await reply.write(b"second")
        return reply

    def close(self) -> None:
        """Stop listening."""
        background().run(self.runner.cleanup(), timeout=SOON)


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    """A server behind the proxy."""
    found = Upstream()
    yield found
    found.close()


class Record:
    """What the proxy has recorded."""

    def __init__(self) -> None:
        self.all: list[Visit] = []
        self._changed = threading.Condition()

    def __call__(self, visit: Visit) -> None:
        with self._changed:
            self.all.append(visit)
            self._changed.notify_all()

    def ended(self, number: int) -> list[Visit]:
        """The visits that have ended, once there are so many: the client has its answer a little earlier."""
        with self._changed:
            assert self._changed.wait_for(lambda: sum(bool(v.ended) for v in self.all) >= number, SOON)
            return [v for v in self.all if v.ended]


@pytest.fixture
def visits() -> Record:
    """What the proxy has recorded."""
    return Record()


@pytest.fixture
def proxy(upstream: Upstream, visits: Record) -> Iterator[RouterProxy]:
    """A proxy in front of the server."""
    found = RouterProxy(upstream.url, f"127.0.0.1:{free_port()}", visits)
    found.open()
    yield found
    found.close()


def ask(proxy: RouterProxy, method: str, path: str, body: bytes = b"") -> tuple[int, bytes]:
    """Status and body of one request to actor asr-1."""
    connection = http.client.HTTPConnection(proxy.url.removeprefix("http://"), timeout=SOON)
    try:
        connection.request(method, path, body, {"Host": "asr-1.actors.local"})
        reply = connection.getresponse()
        return reply.status, reply.read()
    finally:
        connection.close()


def outcomes(visits: Record, number: int) -> list[tuple[int, str, str, str, int, bool]]:
    """So many visits, each at its end, without times."""
    return [(v.number, v.method, v.path, v.actor, v.status, v.injected) for v in visits.ended(number)]


def test_requests_pass_and_are_recorded(proxy: RouterProxy, upstream: Upstream, visits: Record) -> None:
    """A request MUST reach the router as it is, and be recorded when it begins and when it has ended."""
    assert ask(proxy, "POST", "/?a=1", b"a body, ") == (203, b"a body, second")

    assert upstream.reached == ["POST asr-1.actors.local /?a=1"]
    assert outcomes(visits, 1) == [(1, "POST", "/", "asr-1", 203, False)]
    began, ended = visits.all
    assert (began.status, began.ended) == (0, 0.0)
    assert began.began == ended.began < ended.ended


def test_answers_come_as_they_are_sent(proxy: RouterProxy, upstream: Upstream, visits: Record) -> None:
    """The first part of an answer MUST NOT wait for the last one; the visit MUST end with the answer."""
    connection = http.client.HTTPConnection(proxy.url.removeprefix("http://"), timeout=SOON)
    connection.request("GET", "/stream", headers={"Host": "asr-1.actors.local"})
    reply = connection.getresponse()

    assert reply.read(6) == b"first "
    assert outcomes(visits, 0) == []
    background().loop.call_soon_threadsafe(upstream.go_on.set)
    assert reply.read() == b"second"
    connection.close()
    assert outcomes(visits, 1) == [(1, "GET", "/stream", "asr-1", 203, False)]


def test_an_answer_that_breaks_off_is_cut(proxy: RouterProxy) -> None:
    """An answer that is not whole MUST NOT look whole to the gateway."""
    with pytest.raises((http.client.HTTPException, ConnectionError)):
        ask(proxy, "GET", "/cut")


def test_a_router_that_is_away_is_told(proxy: RouterProxy, upstream: Upstream, visits: Record) -> None:
    """Without a router the answer MUST be 502, and be recorded as such."""
    upstream.close()

    assert ask(proxy, "GET", "/health")[0] == 502
    assert outcomes(visits, 1) == [(1, "GET", "/health", "asr-1", 502, False)]


def test_refusals_strike_what_they_are_for(proxy: RouterProxy, upstream: Upstream, visits: Record) -> None:
    """A refusal MUST strike matching requests, as often as it says, within its block alone."""
    with proxy.answering(Refusal(503, method="GET", path="/health", times=2)) as refusal:
        statuses = [ask(proxy, "GET", "/health")[0] for _ in range(3)]
        other = [ask(proxy, "POST", "/health")[0], ask(proxy, "GET", "/")[0]]
    with proxy.answering(Refusal(404)) as for_all:
        statuses.append(ask(proxy, "GET", "/")[0])
    statuses.append(ask(proxy, "GET", "/health")[0])

    assert statuses == [503, 503, 203, 404, 203]
    assert other == [203, 203]
    assert (refusal.hits, for_all.hits) == (2, 1)
    assert len(upstream.reached) == 4
    assert [v.injected for v in visits.ended(7)] == [True, True, False, False, False, True, False]


def test_a_proxy_that_never_listened_can_be_closed(upstream: Upstream, visits: Record) -> None:
    """Closing what was never opened MUST be no error."""
    RouterProxy(upstream.url, f"127.0.0.1:{free_port()}", visits).close()


def test_programs_are_led_through_the_api_proxy(upstream: Upstream, tmp_path: Path) -> None:
    """Requests by the kubeconfig MUST reach the API server, unless a rule of their namespace forbids it."""
    direct = tmp_path / "direct"
    direct.write_text(open_kubeconfig(upstream.url, "c"))
    proxy = ApiProxy(Connection(direct, "c"), f"127.0.0.1:{free_port()}", tmp_path / "proxied")
    host = Connection(proxy.kubeconfig, "c").configuration().host
    path = "/apis/ate.dev/v1alpha1/namespaces/{}/actortemplates/t"

    async def delete(namespace: str) -> int:
        async with aiohttp.ClientSession() as session, session.delete(host + path.format(namespace)) as reply:
            await reply.read()
            return reply.status

    proxy.open()
    try:
        matching = {"status": 409, "verb": "delete", "plural": "actortemplates", "times": 1}
        with proxy.client.during("refuse", "ns", **matching) as rule:
            statuses = [asyncio.run(delete(namespace)) for namespace in ("other", "ns", "ns")]
            hits = rule.hits
    finally:
        proxy.close()

    assert statuses == [203, 409, 203]
    assert hits == 1
    assert [line.split()[-1] for line in upstream.reached] == [path.format("other"), path.format("ns")]
