"""What a watch is read by: all that comes, at once, and an end for every way in which it may end."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

import pytest
from yarl import URL

from fixtures.journal.stream import Stream, stream

#: Seconds for what happens at once.
SOON = 10.0
HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
END = b"0\r\n\r\n"


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def read(
    pieces: list[bytes],
    use: Callable[[Stream], Awaitable[None]],
    *,
    silence: float = SOON,
    hold: bool = False,
) -> bytes:
    """Let `use` read an answer of these pieces, after which the connection is closed or held; the request."""
    request = b""
    left = asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal request
        request = await reader.readuntil(b"\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
            if hold:
                await reader.read()
            writer.close()
            await writer.wait_closed()
        left.set()

    async def run() -> None:
        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        url = URL(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/watch?a=b")
        try:
            async with (
                asyncio.timeout(SOON * 2),
                stream(url, {"User-Agent": "unit"}, False, SOON, silence) as reply,
            ):
                await use(reply)
        finally:
            server.close()
            await left.wait()

    asyncio.run(run())
    return request


@pytest.mark.parametrize(
    "pieces",
    [
        [HEAD, chunk(b"one\n"), chunk(b"two\n"), END],
        [HEAD + chunk(b"one\n") + chunk(b"two\n") + END],
        [
            b"HTTP/1.1 103 Early Hints\r\n\r\n",
            HEAD + chunk(b"one\n")[:4],
            chunk(b"one\n")[4:] + chunk(b"two\n") + END,
        ],
        [b"HTTP/1.1 200 OK\r\n\r\none\n", b"two\n"],
        [b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\none\ntwo\n"],
    ],
    ids=["piece by piece", "at once", "cut", "until the end", "length"],
)
def test_all_that_comes_is_handed_over(pieces: list[bytes]) -> None:
    """However the bytes come, all of them MUST be handed over, in order, and the end be no error."""
    taken: list[bytes] = []

    async def follow(reply: Stream) -> None:
        assert reply.status == 200
        await reply.follow(taken.append)

    request = read(pieces, follow)

    assert b"".join(taken) == b"one\ntwo\n"
    assert request.startswith(b"GET /watch?a=b HTTP/1.1\r\nHost: 127.0.0.1:")
    assert b"\r\nUser-Agent: unit\r\n" in request


@pytest.mark.parametrize(
    ("pieces", "error"),
    [
        ([HEAD, chunk(b"one\n")], ConnectionResetError),
        ([HEAD, chunk(b"one\n"), b"no length\r\n"], ConnectionError),
    ],
    ids=["cut", "no-http"],
)
def test_what_came_before_a_breach_is_handed_over(pieces: list[bytes], error: type[Exception]) -> None:
    """A stream that breaks MUST say so, after all that came of it."""
    taken: list[bytes] = []

    with pytest.raises(error):
        read(pieces, lambda reply: reply.follow(taken.append))

    assert b"".join(taken) == b"one\n"


def test_a_server_that_leaves_without_a_word_is_an_error() -> None:
    """Without a status there is no answer."""
    with pytest.raises(ConnectionResetError, match="closed"):
        read([], lambda reply: reply.follow(lambda _: None))


def test_silence_is_an_error() -> None:
    """A connection on which nothing comes any more MUST end by itself."""
    taken: list[bytes] = []

    with pytest.raises(TimeoutError, match="not a byte in 0.2 s"):
        read([HEAD, chunk(b"one\n")], lambda reply: reply.follow(taken.append), silence=0.2, hold=True)

    assert taken == [b"one\n"]


def test_what_the_reader_raises_ends_the_stream() -> None:
    """An error of whoever takes the data MUST come out, and nothing be handed over after it."""
    taken: list[bytes] = []

    def refuse(data: bytes) -> None:
        taken.append(data)
        raise LookupError("unit")

    with pytest.raises(LookupError, match="unit"):
        read([HEAD + chunk(b"one\n"), chunk(b"two\n")], lambda reply: reply.follow(refuse), hold=True)

    assert len(taken) == 1


def test_a_refusal_can_be_read() -> None:
    """The text of an answer that is no stream MUST be had."""
    found: list[tuple[int, bytes]] = []

    async def keep(reply: Stream) -> None:
        found.append((reply.status, await reply.read()))

    read([b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno"], keep, hold=True)

    assert found == [(403, b"no")]
