"""Wrong substrates are wrong in what their title says. Goldens: `test_golden`; CRDs need a cluster."""

from __future__ import annotations

import asyncio
from pathlib import Path

import grpc.aio
import pytest

from reference.rollout.ateapi import Status
from reference.rollout.substrate.model import ActorRef
from reference.rollout.substrate.mutants import MUTANTS, apply
from reference.rollout.substrate.parts import Parts
from tests.unit.registries import each_differs_in_one_part
from tests.unit.rollout.substrate.harness import Bench, bench, template

A = ActorRef("", "a")


async def running(substrate: Bench) -> Bench:
    """With a running actor `a`."""
    await substrate.create()
    await substrate.on("ResumeActor")
    return substrate


def test_every_mutant_differs_in_one_part() -> None:
    """A mutant MUST replace one part; none MUST leave everything right."""
    each_differs_in_one_part(MUTANTS, Parts, apply)


def test_two_mutants_of_one_part_are_both_there() -> None:
    """Mutants of the same part MUST be combined."""
    both = apply(Parts(), ["strand-heal", "delete-running"]).operations
    assert {"StrandHeal", "DeleteRunning"} <= {kind.__name__ for kind in both.__mro__}


def test_strand_heal(folder: Path) -> None:
    """An actor without template is suspended."""

    async def test() -> None:
        async with bench(folder, parts=apply(Parts(), ["strand-heal"])) as substrate:
            (await running(substrate)).templates.clear()
            assert (await substrate.on("SuspendActor"))["status"] == "STATUS_SUSPENDED"

    asyncio.run(test())


def test_delete_running(folder: Path) -> None:
    """A running actor is deleted."""

    async def test() -> None:
        async with bench(folder, parts=apply(Parts(), ["delete-running"])) as substrate:
            await (await running(substrate)).on("DeleteActor")
            assert substrate.store.actors() == []

    asyncio.run(test())


def test_no_actor_lock(folder: Path) -> None:
    """Concurrent resumes all succeed."""

    async def test() -> None:
        parts = apply(Parts(), ["no-actor-lock"])
        async with bench(folder, parts=parts, restore_delay=0.05) as substrate:
            await substrate.create()
            resumed = await asyncio.gather(*(substrate.on("ResumeActor") for _ in range(5)))
            assert {actor["status"] for actor in resumed} == {"STATUS_RUNNING"}

    asyncio.run(test())


def test_resume_wrong_pool(folder: Path) -> None:
    """A pool that no selector names runs the actor."""

    async def test() -> None:
        picky = template(workerSelector={"matchLabels": {"tier": "none"}})
        parts = apply(Parts(), ["resume-wrong-pool"])
        async with bench(folder, parts=parts, templates=[picky]) as substrate:
            assert (await running(substrate)).store.actor(A).status is Status.RUNNING

    asyncio.run(test())


def test_create_unchecked(folder: Path) -> None:
    """An actor of no template is created."""

    async def test() -> None:
        parts = apply(Parts(), ["create-unchecked"])
        async with bench(folder, parts=parts, templates=[]) as substrate:
            await substrate.create()
            with pytest.raises(grpc.aio.AioRpcError):
                await substrate.on("ResumeActor")

    asyncio.run(test())


def test_worker_loss_ignored(folder: Path) -> None:
    """The actor of a lost worker stays RUNNING."""

    async def test() -> None:
        parts = apply(Parts(), ["worker-loss-ignored"])
        async with bench(folder, parts=parts) as substrate:
            await running(substrate)
            await substrate.operations.worker_lost(substrate.store.workers()[0][0])
            assert (await substrate.on("GetActor"))["status"] == "STATUS_RUNNING"

    asyncio.run(test())


def test_slow_rpc(folder: Path) -> None:
    """A call takes twice the time."""

    async def test() -> None:
        async with bench(folder, parts=apply(Parts(), ["slow-rpc"]), restore_delay=0.1) as substrate:
            await substrate.create()
            timed = await substrate.client.timed_call("ResumeActor", {"actor_id": "a"}, timeout=10)
            assert timed.server_elapsed_us is not None
            assert timed.server_elapsed_us > 200_000

    asyncio.run(test())
