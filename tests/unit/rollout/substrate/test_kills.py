"""A substrate that is killed at any step goes on, when it is started again, from what it had written."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reference.rollout.ateapi import Status
from reference.rollout.substrate.model import ActorRef, Template
from reference.rollout.substrate.store import Store
from tests.unit.rollout.substrate.harness import NAMESPACE, bench
from tests.unit.rollout.substrate.test_operations import until

#: Changes before and after which the process may be killed.
CHANGES = ("create_actor", "update_actor", "put_workload", "put_snapshot", "delete_workload")
#: Points in the life of an actor at which the process may be killed: two for each of these changes.
STEPS = 30
A = ActorRef("", "a")


class Killed(BaseException):
    """What a kill is in a test: nothing after it happens."""


class DyingStore(Store):
    """A store whose process is killed at the n-th point. After that, nothing is written any more."""

    def __init__(self, folder: Path, killed_at: int) -> None:
        super().__init__(folder)
        self._left = killed_at
        for name in CHANGES:
            setattr(self, name, self._mortal(getattr(self, name)))

    @property
    def is_dead(self) -> bool:
        """Whether the point was reached."""
        return self._left < 0

    def _mortal(self, change: Callable[..., Any]) -> Callable[..., Any]:
        def mortal(*arguments: Any) -> Any:
            self._step()
            result = change(*arguments)
            self._step()
            return result

        return mortal

    def _step(self) -> None:
        self._left -= 1
        if self._left < 0:
            raise Killed


async def _run_until_killed(folder: Path, killed_at: int) -> bool:
    """Whether the point was reached. Tasks of the killed process are forgotten, its workloads go on."""
    store = DyingStore(folder, killed_at)
    async with bench(folder, store=store) as substrate:
        operations = substrate.operations
        with contextlib.suppress(Killed):
            operations.create(A, Template(NAMESPACE, "t"), {})
            for step in (operations.resume, operations.suspend, operations.resume, operations.pause):
                await step(A)
                if step == operations.resume:
                    await substrate.send()
    return store.is_dead


def test_the_life_has_so_many_steps(folder: Path) -> None:
    """The kills below MUST cover every write of an actor's life."""
    assert asyncio.run(_run_until_killed(folder / "last", STEPS - 1))
    assert not asyncio.run(_run_until_killed(folder / "none", STEPS))


@pytest.mark.parametrize("killed_at", range(STEPS))
def test_a_killed_substrate_goes_on(folder: Path, killed_at: int) -> None:
    """After a kill at any write, every actor MUST come to rest, own at most one process, and work on."""

    async def test() -> None:
        assert await _run_until_killed(folder, killed_at)
        async with bench(folder) as substrate:
            if not substrate.store.has_actor(A):
                await substrate.create()
            await until(
                lambda: substrate.store.actor(A).status in (Status.RUNNING, Status.SUSPENDED, Status.PAUSED)
            )
            resting = substrate.store.actor(A).status
            assert len(substrate.processes()) == (resting is Status.RUNNING)
            assert len(substrate.store.free_workers()) == (resting is not Status.RUNNING)
            assert (await substrate.on("ResumeActor"))["status"] == "STATUS_RUNNING"
            before = await substrate.send()
            assert (await substrate.on("SuspendActor"))["status"] == "STATUS_SUSPENDED"
            await substrate.on("ResumeActor")
            after = await substrate.send()
            assert (after["boot_count"], after["served"]) == (
                before["boot_count"] + 1,
                before["served"] + 1,
            )
            await substrate.on("SuspendActor")
            assert substrate.processes() == set()

    asyncio.run(test())
