"""Workloads as the atelet runs them: real processes, whose memory outlives them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import psutil
import pytest

from fixtures.patience import holds_within
from fixtures.system.rollout.real.atelet.messages import Order
from fixtures.system.rollout.real.atelet.server import CannotDo
from fixtures.system.rollout.real.atelet.workloads import Workload, Workloads

MESSAGE = {"jsonrpc": "2.0", "id": 1, "method": "message/send", "params": {"message": {"parts": []}}}


def order(actor: str = "a1", *, boot: str = "", readyz: str = "/health", snapshot: str = "") -> Order:
    """An order about an actor of template ns/t."""
    env = {"KAGENT_CONFIG_JSON": f"workload-boot={boot}"} if boot else {}
    return Order("", actor, "ns/t", env, readyz, snapshot)


def with_workloads(state: Path, story: Callable[[Workloads, aiohttp.ClientSession], Awaitable[Any]]) -> Any:
    """Run a story with workloads that take no longer than they must."""

    async def run() -> Any:
        async with aiohttp.ClientSession() as http, Workloads(state, http, 0, 0) as workloads:
            return await asyncio.wait_for(story(workloads, http), 20)

    return asyncio.run(run())


async def ask(http: aiohttp.ClientSession, workload: Workload | None) -> tuple[int, int]:
    """Boot count and number of messages, as a workload says them."""
    assert workload is not None
    async with http.post(workload.url, json=MESSAGE) as reply:
        said = (await reply.json())["result"]["metadata"]
        return said["boot_count"], said["served"]


def test_memory_survives_checkpoint_and_restore(tmp_path: Path) -> None:
    """A restored workload MUST go on where it was saved, and two restored from one snapshot apart."""

    async def story(workloads: Workloads, http: aiohttp.ClientSession) -> list[tuple[int, int]]:
        await workloads.run(order())
        answers = [await ask(http, workloads.named("a1"))]
        await workloads.checkpoint(order(snapshot="first"))
        assert workloads.named("a1") is None
        for actor in ("a1", "a2"):
            await workloads.restore(order(actor, snapshot="first"))
        answers += [await ask(http, workloads.named(actor)) for actor in ("a1", "a1", "a2")]
        return answers

    assert with_workloads(tmp_path / "state", story) == [(1, 1), (2, 2), (2, 3), (2, 2)]


@pytest.mark.parametrize("readyz", ["/health", ""])
def test_a_workload_that_does_not_start_is_reported(tmp_path: Path, readyz: str) -> None:
    """An order to run what exits at once MUST be refused, probed or not."""

    async def story(workloads: Workloads, _: aiohttp.ClientSession) -> None:
        await workloads.run(order(boot="fail", readyz=readyz))

    with pytest.raises(CannotDo, match="the workload of a1 has exited"):
        with_workloads(tmp_path / "state", story)


def test_a_workload_that_is_given_up_is_ended(tmp_path: Path) -> None:
    """When ateapi gives up on a start, what was started MUST NOT go on."""

    async def story(workloads: Workloads, _: aiohttp.ClientSession) -> bool:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(workloads.run(order(boot="hang")), 0.5)
        assert workloads.named("a1") is None
        # A killed process listens until the kernel has taken it down.
        return await asyncio.to_thread(holds_within, 10, lambda: not _serving())

    assert with_workloads(tmp_path / "state", story)


def test_a_start_that_is_given_up_while_it_forks_leaves_nothing_and_confuses_none(tmp_path: Path) -> None:
    """A fork that nobody waits for any more MUST be ended, and its answer MUST NOT be another one's."""

    async def story(workloads: Workloads, http: aiohttp.ClientSession) -> tuple[tuple[int, int], int]:
        given_up = asyncio.ensure_future(workloads.run(order("a1")))
        # One step: the order to fork is written.
        await asyncio.sleep(0)
        given_up.cancel()
        await asyncio.gather(given_up, return_exceptions=True)
        assert given_up.cancelled()
        await workloads.run(order("a2"))
        await asyncio.to_thread(holds_within, 10, lambda: len(_serving()) == 1)
        return await ask(http, workloads.named("a2")), len(_serving())

    assert with_workloads(tmp_path / "state", story) == ((1, 1), 1)


def test_what_is_not_there_is_refused(tmp_path: Path) -> None:
    """A checkpoint of nothing and a restore of an unknown snapshot MUST be refused with the name."""

    async def story(workloads: Workloads, _: aiohttp.ClientSession) -> None:
        with pytest.raises(CannotDo, match="actor a1 has no workload"):
            await workloads.checkpoint(order(snapshot="first"))
        with pytest.raises(CannotDo, match="there is no snapshot first"):
            await workloads.restore(order(snapshot="first"))

    with_workloads(tmp_path / "state", story)


def _serving() -> list[psutil.Process]:
    """The workloads of this process that still listen."""
    return [child for child in psutil.Process().children(recursive=True) if _serves(child)]


def _serves(process: psutil.Process) -> bool:
    """Whether a process listens, as a workload does and what forks workloads does not."""
    try:
        return any(c.status == psutil.CONN_LISTEN for c in process.net_connections("tcp"))
    except psutil.NoSuchProcess:
        return False
