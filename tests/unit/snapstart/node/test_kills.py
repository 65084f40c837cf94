"""A node that is killed at any step, or disturbed in any order, ends where an undisturbed one would."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from reference.snapstart.node.ledger import Ledger
from reference.snapstart.node.node import owning, serve, sweep
from tests.unit.snapstart.node.harness import NAMESPACE, Bench, bench

#: Points at which the node may be killed, for the Pods of `scene`: before and after each change of its
#: ledger. Three Pods are accepted and started, one of them deleted: seven changes.
STEPS = 14
#: What a test does in a run of disturbances, and how many runs there are.
LENGTH = 25
SEEDS = 6


class Killed(BaseException):
    """What a kill is in a test: nothing after it happens."""


class Death:
    """Makes ledgers die at the n-th point; after that nothing is written any more."""

    def __init__(self, killed_at: int) -> None:
        self._left = killed_at

    @property
    def came(self) -> bool:
        """Whether the point was reached."""
        return self._left < 0

    def around(self, change: Callable[..., None]) -> Callable[..., None]:
        """A change with a point before and one after it."""

        def mortal(*arguments: Any) -> None:
            self._step()
            change(*arguments)
            self._step()

        return mortal

    def _step(self) -> None:
        self._left -= 1
        if self._left < 0:
            raise Killed


async def scene(found: Bench) -> None:
    """A cold Pod, a restored one, and one that is deleted once it is Ready."""
    found.driver.put(NAMESPACE, "k")
    found.pod("cold")
    found.pod("restored", key="k")
    found.pod("deleted")


async def live(found: Bench) -> None:
    """Be the node until it dies of its ledger, or the scene is over."""
    with owning(found.settings.state):
        await sweep(found.settings.state)
        node = asyncio.ensure_future(serve(found.settings, found.parts, found.driver))
        over = asyncio.ensure_future(until_over(found))
        await asyncio.wait({node, over}, return_when=asyncio.FIRST_COMPLETED)
        for task in (node, over):
            task.cancel()
        died, _ = await asyncio.gather(node, over, return_exceptions=True)
        if not isinstance(died, asyncio.CancelledError):
            # A kill is the only thing that may end a node by itself.
            assert isinstance(died, BaseExceptionGroup) and died.subgroup(Killed), repr(died)
        elif over.exception() is not None:
            raise AssertionError(f"the scene is not over: {disagreement(found)}") from over.exception()


async def until_over(found: Bench) -> None:
    """Delete what is to be deleted once it is Ready; return when all is as it should be."""
    if found.cluster.get("pods", "deleted", NAMESPACE):
        await found.until_ready("deleted")
        found.cluster.delete_pod("deleted", NAMESPACE, grace=1)
    await found.cluster.until(lambda: found.cluster.get("pods", "deleted", NAMESPACE) is None)
    for name in ("cold", "restored"):
        await found.until_ready(name)
    await converged(found)


async def converged(found: Bench) -> None:
    """Wait until Pods, processes and records agree."""
    await found.cluster.until(lambda: disagreement(found) is None)


def disagreement(found: Bench) -> str | None:
    """In what Pods, processes and records do not agree, None if they do."""
    pods = {key: pod for key, pod in found.cluster.objects.items() if key[0] == "pods"}
    running, addresses = set(), set()
    for (_, _, name), pod in pods.items():
        if "deletionTimestamp" in pod["metadata"]:
            return f"{name} is still being deleted"
        if found.status(name).get("phase") == "Failed":
            continue
        if not found.is_ready(name):
            return f"{name} is not Ready"
        pid = int(found.status(name)["containerStatuses"][0]["containerID"].removeprefix("process://"))
        running.add(pid)
        addresses.add(found.status(name)["podIP"])
    if len(addresses) != len(running):
        return "an address was given twice"
    if found.processes() != running:
        return f"processes {found.processes()} run, not {running}"
    records = len(list((found.settings.state / "pods").iterdir()))
    return None if records == len(running) else f"{records} records of {len(running)} processes"


@pytest.mark.parametrize("killed_at", range(STEPS))
def test_a_node_killed_at_any_change_goes_on(
    folder: Path, killed_at: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever the node is killed, the next one MUST bring every Pod where it belongs, and leave nothing."""

    async def test() -> None:
        async with bench(folder) as found:
            await scene(found)
            death = Death(killed_at)
            with monkeypatch.context() as patch:
                for name in ("put", "remove"):
                    patch.setattr(Ledger, name, death.around(getattr(Ledger, name)))
                await live(found)
            assert death.came
            async with found.running():
                await until_over(found)
                assert (await found.told("restored"))["mode"] == "restored"

    asyncio.run(test())


class Disturbances:
    """What may happen to a node, drawn by seed."""

    def __init__(self, found: Bench, draw: random.Random) -> None:
        self._found = found
        self._draw = draw
        self._made = 0
        self.killed: set[str] = set()

    def happen(self) -> None:
        """One of them."""
        self._draw.choice([self.create, self.create, self.delete, self.force, self.kill])()

    def create(self) -> None:
        """A Pod more, with a key that leads somewhere, nowhere, or without."""
        self._made += 1
        self._found.pod(f"p{self._made}", key=self._draw.choice([None, "k", "unknown"]))

    def delete(self) -> None:
        """A Pod is deleted, whatever it is doing."""
        if name := self._any():
            self._found.cluster.delete_pod(name, NAMESPACE, grace=1)

    def force(self) -> None:
        """A Pod is gone at once."""
        if name := self._any():
            self._found.cluster.remove("pods", name, NAMESPACE)

    def kill(self) -> None:
        """A process is killed."""
        if running := sorted(self._found.processes()):
            with contextlib.suppress(psutil.NoSuchProcess):
                psutil.Process(self._draw.choice(running)).kill()

    def _any(self) -> str | None:
        names = sorted(name for kind, _, name in self._found.cluster.objects if kind == "pods")
        return self._draw.choice(names) if names else None


@pytest.mark.parametrize("seed", range(SEEDS))
def test_whatever_happens_all_agrees_in_the_end(folder: Path, seed: int) -> None:
    """Pods that come, go and die while node, server or contact are away MUST all be accounted for."""

    async def test() -> None:
        draw = random.Random(seed)
        async with bench(folder, cold_starts=2) as found:
            found.driver.put(NAMESPACE, "k")
            found.snapshot(keys="k")
            disturbances = Disturbances(found, draw)
            while True:
                async with found.running():
                    for _ in range(draw.randint(1, LENGTH)):
                        disturbances.happen()
                        await asyncio.sleep(draw.choice([0, 0.01, 0.05]))
                        if draw.random() < 0.1:
                            await found.post(draw.choice(["/contact/lose", "/contact/regain"]))
                        found.cluster.down = draw.random() < 0.1
                    found.cluster.down = False
                    if draw.random() < 0.5:
                        await found.post("/contact/regain")
                        await converged(found)
                        return
                # Here the node is gone.
                for _ in range(3):
                    disturbances.happen()

    asyncio.run(test())
