"""Wrong nodes are wrong in what their title says."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from fixtures.system.fulldisk import full_disk
from reference.objects import annotations_of
from reference.snapstart.fired import FIRED
from reference.snapstart.kinds import inventory_annotation
from reference.snapstart.node.mutants import MUTANTS, RestoreAsSlowAsCold, apply
from reference.snapstart.node.parts import Parts
from reference.snapstart.node.pods import TOKEN_VARIABLE
from tests.unit.registries import each_differs_in_one_part
from tests.unit.snapstart.node.harness import ENDLESS, NAMESPACE, NODE, Bench, node


@contextlib.asynccontextmanager
async def wrong(folder: Path, name: str, **options: Any) -> AsyncIterator[Bench]:
    """A node with one mutant, at work; it says that it was wrong."""
    before = acts(name)
    async with node(folder, parts=apply(Parts(), [name]), **options) as found:
        yield found
    assert acts(name) > before


def acts(name: str) -> float:
    """How often a mutant has acted."""
    return FIRED.labels(name)._value.get()


async def building(found: Bench) -> None:
    """A snapshot, and a build process that answers."""
    found.snapshot(keys="key-1")
    found.build("build")
    await found.until_ready("build-pod")


def test_every_mutant_differs_in_one_part() -> None:
    """A mutant MUST replace one part; none MUST leave everything right."""
    each_differs_in_one_part(MUTANTS, Parts, apply)


def test_two_mutants_of_one_part_are_both_there() -> None:
    """Mutants of the same part MUST be combined."""
    both = apply(Parts(), ["late-key", "death-unseen"]).kubelet
    assert {"LateKey", "DeathUnseen"} <= {kind.__name__ for kind in both.__mro__}


def test_cold_behind_annotation(folder: Path) -> None:
    """A Pod with a key starts cold, and everybody is told that it was restored."""

    async def test() -> None:
        async with wrong(folder, "cold-behind-annotation") as found:
            found.driver.put(NAMESPACE, "k")
            found.pod("p", key="k")
            await found.until_ready("p")
            assert (await found.told("p"))["mode"] == "cold"
            assert (await found.entries())["p"]["way"] == "restored"

    asyncio.run(test())


def test_restore_hangs(folder: Path) -> None:
    """A Pod with an unknown key is never started."""

    async def test() -> None:
        async with wrong(folder, "restore-hangs", restore_limit_s=0.1) as found:
            found.pod("p", key="unknown")
            found.pod("later")
            await found.until_ready("later")
            await asyncio.sleep(0.5)
            assert (await found.entries())["p"]["process"] is None

    asyncio.run(test())


def test_restore_as_slow_as_cold(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A restored session is late."""

    async def test() -> None:
        monkeypatch.setattr(RestoreAsSlowAsCold, "EXTRA", 0.6)
        async with wrong(folder, "restore-as-slow-as-cold") as found:
            found.driver.put(NAMESPACE, "k")
            found.pod("p", key="k")
            await found.until_ready("p")
            entry = (await found.entries())["p"]
            assert entry["up_ns"] - entry["seen_ns"] > 0.6e9

    asyncio.run(test())


def test_shared_token(folder: Path) -> None:
    """Two restored sessions have one token."""

    async def test() -> None:
        async with wrong(folder, "shared-token") as found:
            found.driver.put(NAMESPACE, "k")
            tokens = set()
            for name in ("a", "b"):
                found.pod(name, key="k")
                await found.until_ready(name)
                tokens.add((await found.told(name))["environment"][TOKEN_VARIABLE])
            assert len(tokens) == 1

    asyncio.run(test())


def test_any_namespace(folder: Path) -> None:
    """A key restores another namespace's artifact."""

    async def test() -> None:
        async with wrong(folder, "any-namespace") as found:
            foreign = found.driver.put("other", "k")
            found.pod("p", key="k")
            await found.until_ready("p")
            assert (await found.told("p"))["boot_id"] == foreign.boot_id

    asyncio.run(test())


def test_late_key(folder: Path) -> None:
    """An annotation that was added later is followed."""

    async def test() -> None:
        async with wrong(folder, "late-key", cold_starts=1) as found:
            await found.key_comes_late()
            assert (await found.told("second"))["mode"] == "restored"

    asyncio.run(test())


def test_ready_unasked(folder: Path) -> None:
    """A Pod is Ready whose process answers nobody."""

    async def test() -> None:
        async with wrong(folder, "ready-unasked") as found:
            found.pod("p", env=ENDLESS)
            await found.until_ready("p")
            with pytest.raises(OSError):
                await found.told("p")

    asyncio.run(test())


def test_room_awaited(folder: Path) -> None:
    """A Pod whose record finds no room is not said to have failed."""

    async def test() -> None:
        async with wrong(folder, "room-awaited") as found:
            with full_disk(psutil.Process()):
                found.pod("p")
                await found.cluster.until(lambda: acts("room-awaited") > 0)
            found.pod("later")
            await found.until_ready("later")
            assert "status" not in found.cluster.get("pods", "p", NAMESPACE)

    asyncio.run(test())


def test_death_unseen(folder: Path) -> None:
    """A Pod stays Ready whose process was killed."""

    async def test() -> None:
        async with wrong(folder, "death-unseen") as found:
            found.pod("p")
            await found.until_ready("p")
            os.kill((await found.told("p"))["pid"], signal.SIGKILL)
            found.pod("later")
            await found.until_ready("later")
            assert found.is_ready("p")

    asyncio.run(test())


def test_process_kept(folder: Path) -> None:
    """A process outlives its Pod."""

    async def test() -> None:
        async with wrong(folder, "process-kept") as found:
            found.pod("p")
            await found.until_ready("p")
            running = found.processes()
            found.cluster.delete_pod("p", NAMESPACE)
            await found.cluster.until(lambda: found.cluster.get("pods", "p", NAMESPACE) is None)
            assert found.processes() == running != set()

    asyncio.run(test())


def test_failure_in_snapshot(folder: Path) -> None:
    """A failed restore is written into the snapshot."""

    async def test() -> None:
        async with wrong(folder, "failure-in-snapshot") as found:
            found.snapshot()
            found.pod("p", key="unknown")
            await found.until_ready("p")
            assert found.status("snap", "sandboxsnapshots")["phase"] == "Failed"

    asyncio.run(test())


def test_any_nodes_tasks(folder: Path) -> None:
    """A task of another node is answered."""

    async def test() -> None:
        async with wrong(folder, "any-nodes-tasks") as found:
            await building(found)
            found.task(targetNodeName="other")
            assert await found.until_answered()

    asyncio.run(test())


def test_task_unchecked(folder: Path) -> None:
    """A task of another provider, and of a snapshot that is gone, is done."""

    async def test() -> None:
        async with wrong(folder, "task-unchecked") as found:
            await building(found)
            found.task(providerName="other", snapshotUID="gone")
            assert (await found.until_answered())["phase"] == "Ready"

    asyncio.run(test())


def test_ready_unmade(folder: Path) -> None:
    """A task is Ready whose artifact could not be made."""

    async def test() -> None:
        async with wrong(folder, "ready-unmade") as found:
            await building(found)
            found.driver.fails.add("create")
            found.task()
            assert (await found.until_answered())["phase"] == "Ready"
            assert found.driver.artifacts == {}

    asyncio.run(test())


def test_agent_writes_snapshot(folder: Path) -> None:
    """The agent writes the status of the snapshot."""

    async def test() -> None:
        async with wrong(folder, "agent-writes-snapshot") as found:
            await building(found)
            found.task()
            await found.cluster.until(lambda: found.status("snap", "sandboxsnapshots"))
            assert found.status("snap", "sandboxsnapshots") == {"phase": "Ready"}

    asyncio.run(test())


def test_inventory_frozen(folder: Path) -> None:
    """An artifact that is gone is still said to be there."""

    async def test() -> None:
        async with wrong(folder, "inventory-frozen") as found:
            name = inventory_annotation(found.driver.name)
            said = lambda: annotations_of(found.cluster.get("nodes", NODE) or {}).get(name)  # noqa: E731
            await building(found)
            found.task()
            await found.until_answered()
            before = said()
            found.driver.artifacts.clear()
            await asyncio.sleep(1.5)
            assert said() == before != "{}"

    asyncio.run(test())


def test_artifacts_kept(folder: Path) -> None:
    """What was built for a deleted snapshot is still there."""

    async def test() -> None:
        async with wrong(folder, "artifacts-kept") as found:
            await building(found)
            found.task()
            await found.until_answered()
            found.cluster.remove("sandboxsnapshots", "snap", NAMESPACE)
            await asyncio.sleep(1.5)
            assert found.driver.artifacts != {}

    asyncio.run(test())
