"""The transport against a real server: connections before the load, one request each, all of the answer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from aiohttp import web

from fixtures.errors import StartError
from fixtures.kube.kinds import CLAIM, CONFIG_MAP
from fixtures.load import transport as transport_module
from fixtures.load.transport import KeepAliveTransport, Reply, connections_for
from tests.unit.journal.objects import NAMESPACE
from tests.unit.journal.scripted import connection
from tests.unit.load.webserver import use, web_server

CLAIMS = "/apis/extensions.agents.x-k8s.io/v1beta1/namespaces/asc-unit/sandboxclaims"


def test_connections_are_open_and_used_before_the_load(tmp_path: Path) -> None:
    """A load MUST find its connections: none is opened after `open`, each served a request before."""
    with web_server(tmp_path) as server:

        async def load(transport: KeepAliveTransport) -> int:
            before = {call.port for call in server.calls}
            assert len(before) == 8, f"{len(before)} connections were used before the load"
            await asyncio.gather(*(transport.create(CLAIM, NAMESPACE, b"{}") for _ in range(40)))
            assert {call.port for call in server.of("POST")} <= before
            return transport.opened_after_start

        assert use(server, load, connections=8) == 0


def test_a_connection_that_had_to_be_opened_is_counted(tmp_path: Path) -> None:
    """A connection that the server closes MUST be counted when another one takes its place."""

    async def closing(_: web.Request) -> web.StreamResponse:
        return web.json_response({}, status=201, headers={"Connection": "close"})

    with web_server(tmp_path, closing) as server:

        async def load(transport: KeepAliveTransport) -> int:
            for _ in range(3):
                await transport.create(CLAIM, NAMESPACE, b"{}")
            return transport.opened_after_start

        # The first one still finds what `open` left.
        assert use(server, load) == 2


def test_a_refusal_is_one_request_with_all_that_was_said(tmp_path: Path) -> None:
    """429 MUST come back as it is, with Retry-After and headers, after one request (PERF-LG-12)."""

    async def refuse(_: web.Request) -> web.StreamResponse:
        body = {"kind": "Status", "reason": "TooManyRequests", "message": "later"}
        headers = {"Retry-After": "1", "X-Kubernetes-PF-FlowSchema-UID": "f-1"}
        return web.json_response(body, status=429, headers=headers)

    with web_server(tmp_path, refuse) as server:
        before = time.monotonic_ns()
        reply: Reply = use(server, lambda transport: transport.create(CLAIM, NAMESPACE, b"{}"))

        assert [(call.method, call.path) for call in server.of("POST")] == [("POST", CLAIMS)]
    assert (reply.status, reply.reason, reply.retry_after_s, reply.accepted) == (
        429,
        "TooManyRequests",
        1.0,
        False,
    )
    assert reply.body["message"] == "later"
    assert reply.headers["x-kubernetes-pf-flowschema-uid"] == "f-1"
    assert before < reply.sent_ns < reply.answered_ns < time.monotonic_ns()


@pytest.mark.parametrize("method", ["create", "get", "patch"])
def test_a_request_whose_connection_breaks_is_told_so(tmp_path: Path, method: str) -> None:
    """A lost answer MUST come back as one, after one request."""
    requests = {
        "create": lambda transport: transport.create(CLAIM, NAMESPACE, b"{}"),
        "get": lambda transport: transport.get("/api"),
        "patch": lambda transport: transport.patch(CONFIG_MAP, NAMESPACE, "c", b"{}"),
    }
    check_one_request(tmp_path, requests[method])


def test_a_deletion_whose_connection_breaks_is_not_sent_again(tmp_path: Path) -> None:
    """A DELETE MUST be sent once, though many a client takes it for harmless to send it a second time."""
    check_one_request(tmp_path, lambda transport: transport.delete(CLAIM, NAMESPACE, "c"))


def check_one_request(folder: Path, request: Callable[[KeepAliveTransport], Awaitable[Reply]]) -> None:
    """The server cuts the connection that a request comes on; then there was one, and its answer is lost."""

    async def cut(received: web.Request) -> web.StreamResponse:
        assert received.transport is not None
        received.transport.abort()
        return web.Response()

    with web_server(folder, cut) as server:
        reply: Reply = use(server, request)
        sent = [call for call in server.calls if call.path != "/version"]

    assert (reply.status, reply.reason) == (0, "conn_reset")
    assert len(sent) == 1


def test_no_answer_in_time_is_a_timeout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A request without an answer MUST end as such and say when it was sent."""
    monkeypatch.setattr(transport_module, "REQUEST_TIMEOUT", 1.5)

    with web_server(tmp_path) as server:

        async def silent(_: web.Request) -> web.StreamResponse:
            await server.ending.wait()
            return web.Response()

        server.answer = silent
        reply: Reply = use(server, lambda transport: transport.create(CLAIM, NAMESPACE, b"{}"))

    assert (reply.status, reply.reason) == (0, "timeout")
    assert reply.answered_ns - reply.sent_ns > 100_000_000


def test_a_request_counts_from_when_it_left(tmp_path: Path) -> None:
    """Waiting for a connection MUST be before `sent_ns`: it is the client's, not the server's time."""

    async def slow(_: web.Request) -> web.StreamResponse:
        await asyncio.sleep(0.4)
        return web.json_response({}, status=201)

    with web_server(tmp_path, slow) as server:

        async def load(transport: KeepAliveTransport) -> list[Reply]:
            return list(await asyncio.gather(*(transport.create(CLAIM, NAMESPACE, b"{}") for _ in range(2))))

        first, second = use(server, load)

    assert second.sent_ns >= first.answered_ns - 100_000_000
    assert second.sent_ns - first.sent_ns > 200_000_000


def test_requests_are_what_the_api_server_expects(tmp_path: Path) -> None:
    """Paths, dry run, patch type and body MUST reach the server as written; redirects are not followed."""
    seen: list[tuple[str, str, bytes]] = []

    async def keep(request: web.Request) -> web.StreamResponse:
        seen.append((request.path_qs, request.headers["Content-Type"], await request.read()))
        return web.json_response({}, status=307, headers={"Location": "/elsewhere"})

    with web_server(tmp_path, keep) as server:

        async def load(transport: KeepAliveTransport) -> list[int]:
            replies = [
                await transport.create(CLAIM, NAMESPACE, b'{"a":1}', dry_run=True),
                await transport.patch(CONFIG_MAP, NAMESPACE, "canary", b'{"b":2}'),
                await transport.delete(CLAIM, NAMESPACE, "c"),
            ]
            return [reply.status for reply in replies]

        assert use(server, load) == [307, 307, 307]

    assert seen[0] == (f"{CLAIMS}?dryRun=All", "application/json", b'{"a":1}')
    path = "/api/v1/namespaces/asc-unit/configmaps/canary"
    assert seen[1] == (path, "application/merge-patch+json", b'{"b":2}')
    assert seen[2][0] == f"{CLAIMS}/c"
    assert b'"propagationPolicy":"Background"' in seen[2][2]


def test_an_answer_that_is_no_json_is_kept_as_text(tmp_path: Path) -> None:
    """What a proxy in between says MUST not be lost, nor break the load."""

    async def speak(_: web.Request) -> web.StreamResponse:
        return web.Response(status=502, text="bad gateway", headers={"Retry-After": "Wed, 21 Oct 2026"})

    with web_server(tmp_path, speak) as server:
        reply: Reply = use(server, lambda transport: transport.get("/apis"))

    assert (reply.status, reply.reason, reply.body, reply.retry_after_s) == (
        502,
        "",
        {"message": "bad gateway"},
        None,
    )


def test_a_server_that_is_not_there_is_an_error_of_the_start(tmp_path: Path) -> None:
    """Without a server `open` MUST fail and name what it tried."""

    async def run() -> None:
        await KeepAliveTransport(connection(tmp_path, 1), "unit").open(2)

    with pytest.raises(StartError, match="2 connections to http://127.0.0.1:1 could not .* conn_reset"):
        asyncio.run(run())


def test_a_server_without_tls_is_told_as_such(tmp_path: Path) -> None:
    """Where no TLS comes about, `open` MUST say that it was this."""
    with web_server(tmp_path) as server:
        kubeconfig = server.connection.kubeconfig
        kubeconfig.write_text(kubeconfig.read_text().replace("http:", "https:"))

        with pytest.raises(StartError, match="1 connections to https://.* could not .*: tls: "):
            use(server, lambda transport: transport.get("/version"))


def test_a_header_is_one_line(tmp_path: Path) -> None:
    """Nothing from a kubeconfig or a run id may add to a request."""
    with web_server(tmp_path) as server:
        transport = KeepAliveTransport(server.connection, "unit\r\nX-More: 1")
        with pytest.raises(StartError, match="header User-Agent would not be one line"):
            asyncio.run(transport.open(1))
        assert server.calls == []


def test_a_transport_must_be_opened() -> None:
    """Use before `open`, or no connection at all, MUST be refused."""
    transport = KeepAliveTransport(connection_of_nobody(), "unit")
    with pytest.raises(RuntimeError, match="not open"):
        asyncio.run(transport.get("/"))
    with pytest.raises(ValueError, match="at least one connection"):
        asyncio.run(transport.open(0))


def connection_of_nobody() -> transport_module.Connection:
    return transport_module.Connection(Path("none"), "none")


@pytest.mark.parametrize(("claims", "connections"), [(1, 32), (300, 32), (301, 64), (5000, 64)])
def test_connections_for_a_number_of_claims(claims: int, connections: int) -> None:
    """32 connections up to 300 claims, 64 above (PERF-LG-6)."""
    assert connections_for(claims) == connections
