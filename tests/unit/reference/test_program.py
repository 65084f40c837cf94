"""What the programs of the rollout have in common."""

from __future__ import annotations

import argparse
import asyncio
import errno
import json
import logging
import os
import signal
import socket

import aiohttp
import pytest
from aiohttp import web
from prometheus_client import CollectorRegistry, Counter

from fixtures.processes import free_port
from reference.program import Address, JsonLines, listening, run, status_pages, until_free


def test_addresses_are_host_and_port() -> None:
    """What is no address MUST be refused with its text."""
    assert str(Address.parse("127.0.0.1:80")) == "127.0.0.1:80"
    for wrong in ("127.0.0.1", ":80", "127.0.0.1:", "127.0.0.1:http", "127.0.0.1:65536"):
        with pytest.raises(argparse.ArgumentTypeError, match=f"'{wrong}' is not host:port"):
            Address.parse(wrong)


def test_a_log_line_is_one_json_object() -> None:
    """A record MUST become one line, with what it was given as extra, and its traceback."""
    record = logging.makeLogRecord(
        {"name": "a", "levelname": "INFO", "msg": "b %s", "args": ("c",), "created": 0.5, "actor": "x"}
    )
    assert json.loads(JsonLines().format(record)) == {
        "time": "1970-01-01T00:00:00.500000Z",
        "level": "info",
        "logger": "a",
        "message": "b c",
        "actor": "x",
    }
    try:
        raise ValueError("two\nlines")
    except ValueError as err:
        record.exc_info = (type(err), err, err.__traceback__)
    line = JsonLines().format(record)
    assert "\n" not in line
    assert "ValueError: two" in json.loads(line)["exception"]


def test_pages_say_how_it_is() -> None:
    """/healthz MUST be 503 until the program is ready; /metrics MUST show the registry."""

    async def test() -> None:
        ready = asyncio.Event()
        registry = CollectorRegistry()
        Counter("things", "Things.", registry=registry).inc(3)
        address = Address("127.0.0.1", free_port())
        async with (
            listening(status_pages(ready.is_set, registry), address),
            aiohttp.ClientSession(f"http://{address}") as session,
        ):
            for expected in (503, 200):
                async with session.get("/healthz") as response:
                    assert response.status == expected
                ready.set()
            async with session.get("/metrics") as response:
                assert "things_total 3.0" in await response.text()

    asyncio.run(test())


def test_a_program_ends_in_order() -> None:
    """SIGTERM MUST let a program clean up and end with 0; an error MUST end it with 1."""
    cleaned = []

    async def serve() -> None:
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            await asyncio.Event().wait()
        finally:
            cleaned.append(True)

    async def fail() -> None:
        raise OSError("no")

    assert (run(serve()), cleaned, run(fail())) == (0, [True], 1)


def test_an_address_that_is_in_use_is_waited_for() -> None:
    """A child of a killed predecessor MUST NOT keep a program from listening for longer than it has to."""

    async def test() -> None:
        address = Address("127.0.0.1", free_port())
        held = socket.create_server((address.host, address.port))
        asyncio.get_running_loop().call_later(0.2, held.close)
        async with listening(web.Application(), address), aiohttp.ClientSession() as session:
            assert (await session.get(f"http://{address}/")).status == 404

    asyncio.run(test())


def test_an_address_that_stays_in_use_is_an_error() -> None:
    """A program that cannot listen MUST say so; and what else is wrong MUST be told at once."""

    async def test() -> None:
        address = Address("127.0.0.1", free_port())
        tries = []

        async def bind() -> None:
            tries.append(True)
            socket.create_server((address.host, address.port))

        async def fail() -> None:
            tries.append(True)
            raise PermissionError(errno.EACCES, "no")

        with socket.create_server((address.host, address.port)), pytest.raises(OSError, match="in use"):
            await until_free(bind, 0.1)
        assert len(tries) > 1
        tries.clear()
        with pytest.raises(PermissionError):
            await until_free(fail, 60.0)
        assert len(tries) == 1

    asyncio.run(test())
