"""Requests on their way to actors."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from fixtures.processes import free_port
from reference.program import Address, listening
from tests.unit.rollout.substrate.harness import Bench, bench, message

HOST = {"Host": "a.actors.local"}


@contextlib.asynccontextmanager
async def routed(folder: Path, **options: Any) -> AsyncIterator[tuple[Bench, str]]:
    """A substrate with a router, and the router's URL."""
    address = Address("127.0.0.1", free_port())
    async with bench(folder, **options) as substrate, listening(substrate.router, address):
        yield substrate, f"http://{address}/"


def test_running_actors_are_reached_and_nothing_is_resumed(folder: Path) -> None:
    """A request MUST reach the actor that its Host names while it is RUNNING; else 503, and no resume."""

    async def test() -> None:
        async with routed(folder) as (substrate, url), aiohttp.ClientSession() as session:
            await substrate.create()
            for headers in (HOST, {"Host": "b.actors.local"}):
                async with session.post(url, json=message(), headers=headers) as response:
                    assert response.status == 503
            assert (await substrate.on("GetActor"))["version"] == 1
            await substrate.on("ResumeActor")
            for headers in (HOST, {"X-Actor-Id": "a"}):
                async with session.post(url, json=message(), headers=headers) as response:
                    answered = (await response.json())["result"]["metadata"]
                    assert (response.status, answered["actor_id"]) == (200, "a")
            async with session.get(f"{url}health", headers=HOST) as response:
                assert response.status == 200

    asyncio.run(test())


def test_the_way_to_freeze_is_closed(folder: Path) -> None:
    """Nobody but the substrate MUST be able to freeze a workload."""

    async def test() -> None:
        async with routed(folder) as (substrate, url), aiohttp.ClientSession() as session:
            await substrate.create()
            await substrate.on("ResumeActor")
            async with session.post(f"{url}.workload/freeze", headers=HOST) as response:
                assert response.status == 404
            assert (await substrate.send())["served"] == 1

    asyncio.run(test())


def test_a_stream_is_passed_on_as_it_comes(folder: Path) -> None:
    """The first event MUST arrive long before the last, and the last one MUST end the answer."""

    async def test() -> None:
        async with routed(folder) as (substrate, url), aiohttp.ClientSession() as session:
            await substrate.create()
            await substrate.on("ResumeActor")
            async with session.post(url, json=message(stream_for=0.5), headers=HOST) as response:
                clock = asyncio.get_running_loop().time
                times, last = [], b""
                async for line in response.content:
                    if line.startswith(b"data: "):
                        times.append(clock())
                        last = line
            assert times[-1] - times[0] > 0.4
            assert b'"final": true' in last

    asyncio.run(test())


@pytest.mark.parametrize("end", ["suspend", "kill"])
def test_an_answer_that_is_cut_does_not_look_whole(folder: Path, end: str) -> None:
    """When the actor goes away in the middle of an answer, the client's connection MUST break."""

    async def test() -> None:
        async with routed(folder) as (substrate, url), aiohttp.ClientSession() as session:
            await substrate.create()
            await substrate.on("ResumeActor")
            async with session.post(url, json=message(stream_for=30), headers=HOST) as response:
                await response.content.readline()
                if end == "suspend":
                    await substrate.on("SuspendActor")
                else:
                    os.kill(*substrate.processes(), signal.SIGKILL)
                with pytest.raises(aiohttp.ClientError):
                    await response.content.read()

    asyncio.run(test())
