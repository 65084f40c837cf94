"""Connections of a load, byte by byte: every way in which an answer may end, and none that ends a load."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from fixtures.load.lines import Exchange, Lines

REQUEST = b"GET / HTTP/1.1\r\nHost: unit\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Word: Yes\r\n\r\nok"
#: Seconds for what happens at once.
SOON = 10.0

#: A step of a server that says nothing until the client leaves.
HOLD = "hold"
#: What a server says to one request; None ends the connection, an event is waited for.
Step = bytes | str | None | asyncio.Event


class RawServer:
    """Answers each request with the next script; `served` says on which connection each came."""

    def __init__(self, *scripts: list[Step]) -> None:
        self.scripts = deque(scripts)
        self.connections = 0
        self.served: list[int] = []
        self.asked = asyncio.Event()

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        number = self.connections
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                self.served.append(number)
                self.asked.set()
                for step in self.scripts.popleft():
                    if step is None:
                        return
                    if isinstance(step, asyncio.Event):
                        await step.wait()
                    elif isinstance(step, str):
                        await reader.read()
                    else:
                        writer.write(step)
                        await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()


@asynccontextmanager
async def lines_to(server: RawServer, limit: int = 1, timeout: float = SOON) -> AsyncIterator[Lines]:
    """Open connections to a server that runs as long."""
    listening = await asyncio.start_server(server.handle, "127.0.0.1", 0)
    lines = Lines("127.0.0.1", listening.sockets[0].getsockname()[1], None, limit, timeout)
    try:
        assert await lines.fill() is None
        yield lines
    finally:
        await lines.close()
        listening.close()


def run(check: Callable[[], Awaitable[Any]]) -> None:
    """One check on a loop of its own."""

    async def limited() -> None:
        async with asyncio.timeout(SOON):
            await check()

    asyncio.run(limited())


def told(exchange: Exchange) -> tuple[int, bytes, str]:
    return exchange.status, exchange.body, type(exchange.error).__name__


@pytest.mark.parametrize(
    "script",
    [
        [OK],
        [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\no\r\n", b"1\r\nk\r\n0\r\n\r\n"],
        [OK[:30], OK[30:-1], OK[-1:]],
        [b"HTTP/1.1 103 Early Hints\r\n\r\n" + OK],
    ],
    ids=["length", "chunked", "pieces", "hints"],
)
def test_an_answer_is_read_to_its_end(script: list[Step]) -> None:
    """However an answer is cut, it MUST come whole, and the connection serve the next request."""

    async def check() -> None:
        server = RawServer(script, [OK])
        async with lines_to(server) as lines:
            assert told(await lines.send(REQUEST)) == (200, b"ok", "NoneType")
            exchange = await lines.send(REQUEST)

        assert (exchange.headers["x-word"], server.served, lines.opened) == ("Yes", [1, 1], 1)
        assert 0 < exchange.sent_ns < exchange.answered_ns

    run(check)


@pytest.mark.parametrize(
    ("script", "answer"),
    [
        ([b"HTTP/1.1 200 OK\r\n\r\nok", None], (200, b"ok", "NoneType")),
        ([OK.replace(b"X-Word: Yes", b"Connection: close")], (200, b"ok", "NoneType")),
        ([OK[:-1], None], (0, b"", "ConnectionResetError")),
        ([None], (0, b"", "ConnectionResetError")),
        ([b"SSH-2.0-OpenSSH\r\n"], (0, b"", "ConnectionError")),
    ],
    ids=["until-the-end", "close", "half", "nothing", "no-http"],
)
def test_a_connection_that_ended_is_replaced_when_needed(
    script: list[Step], answer: tuple[int, bytes, str]
) -> None:
    """Half an answer is none; the next request MUST find a new connection, which is counted."""

    async def check() -> None:
        server = RawServer(script, [OK])
        async with lines_to(server) as lines:
            assert told(await lines.send(REQUEST)) == answer
            assert lines.opened == 1
            assert told(await lines.send(REQUEST)) == (200, b"ok", "NoneType")

        assert (server.served, lines.opened) == ([1, 2], 2)

    run(check)


def test_requests_wait_in_order() -> None:
    """While all connections are busy, requests MUST wait and be sent in the order in which they came."""

    async def check() -> None:
        go_on = asyncio.Event()
        server = RawServer([go_on, OK], *([OK] for _ in range(4)))
        async with lines_to(server) as lines:
            tasks = [asyncio.create_task(lines.send(REQUEST)) for _ in range(5)]
            await server.asked.wait()
            assert len(server.served) == 1
            go_on.set()
            sent = [(await task).sent_ns for task in tasks]

        assert (sent, lines.opened) == (sorted(sent), 1)

    run(check)


def test_a_cancelled_request_takes_its_connection_along() -> None:
    """The answer of a request that was given up MUST NOT be taken for that of another."""

    async def check() -> None:
        server = RawServer([HOLD], [OK])
        async with lines_to(server) as lines:
            task = asyncio.create_task(lines.send(REQUEST))
            await server.asked.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert told(await lines.send(REQUEST)) == (200, b"ok", "NoneType")

        assert (server.served, lines.opened) == ([1, 2], 2)

    run(check)


def test_a_timeout_counts_from_when_a_request_came() -> None:
    """Waiting for a connection is part of the time a request has; a late answer is nobody else's."""

    async def check() -> None:
        server = RawServer([HOLD], [OK])
        async with lines_to(server, timeout=0.5) as lines:
            first, second = await asyncio.gather(lines.send(REQUEST), lines.send(REQUEST))
            third = await lines.send(REQUEST)

        assert [told(e) for e in (first, second)] == [(0, b"", "TimeoutError")] * 2
        assert told(third) == (200, b"ok", "NoneType")
        assert first.sent_ns > 0

    run(check)


def test_a_server_that_speaks_unasked_is_not_listened_to() -> None:
    """What comes before a request MUST NOT become its answer."""

    async def check() -> None:
        server = RawServer([OK + OK[:9]], [OK])
        async with lines_to(server) as lines:
            assert told(await lines.send(REQUEST)) == (200, b"ok", "NoneType")
            assert told(await lines.send(REQUEST)) == (200, b"ok", "NoneType")

        assert server.served == [1, 2]

    run(check)


def test_what_is_under_way_ends_with_the_connections() -> None:
    """`close` MUST end what waits, too."""

    async def check() -> None:
        server = RawServer([HOLD])
        async with lines_to(server) as lines:
            tasks = [asyncio.create_task(lines.send(REQUEST)) for _ in range(2)]
            await server.asked.wait()
            await lines.close()
            assert {told(await task) for task in tasks} == {(0, b"", "ConnectionAbortedError")}

    run(check)


def test_a_server_that_hangs_up_is_an_error_at_once() -> None:
    """A connection that breaks before it was used MUST NOT be waited for."""

    async def check() -> None:
        async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.transport.abort()

        listening = await asyncio.start_server(hang_up, "127.0.0.1", 0)
        lines = Lines("127.0.0.1", listening.sockets[0].getsockname()[1], None, 1, SOON)
        try:
            assert told(await lines.send(REQUEST)) == (0, b"", "ConnectionResetError")
        finally:
            await lines.close()
            listening.close()

    run(check)
