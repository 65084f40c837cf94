"""The node agent: which tasks it answers and how, and what it says the node holds."""

from __future__ import annotations

import asyncio
import json
import urllib.error
from pathlib import Path
from typing import Any

import pytest

from reference.objects import annotations_of, labels_of
from reference.snapstart.kinds import LIVE_KEYS, inventory_annotation, provider_label
from tests.unit.snapstart.node.harness import HASH, NAMESPACE, NODE, Bench, bench, node


def inventory(found: Bench) -> Any:
    """What the Node says that it holds, {} too if it does not say."""
    there = found.cluster.get("nodes", NODE)
    text = annotations_of(there or {"metadata": {}}).get(inventory_annotation(found.driver.name))
    return json.loads(text or "{}")


async def building(found: Bench) -> None:
    """A snapshot, and a build process of Sandbox `build` that answers."""
    found.snapshot(keys="key-1")
    found.build("build")
    await found.until_ready("build-pod")


def test_a_task_is_ready_once_its_artifact_is_in_the_inventory(folder: Path) -> None:
    """An artifact MUST be made of the build process here, and published before the task is Ready."""

    async def test() -> None:
        async with node(folder) as found:
            found.snapshot(keys="key-1")
            found.task()
            # Before there is anything to capture.
            found.build("build")
            status = await found.until_answered()
            assert status["phase"] == "Ready"
            assert status["observedAt"].endswith("Z")
            assert inventory(found) == {f"{NAMESPACE}/key-1": HASH}
            node_writes = [i for i, w in enumerate(found.cluster.writes) if w == ("PATCH", "nodes", NODE)]
            task_write = found.cluster.writes.index(("PATCH", "sandboxsnapshottasks/status", "task"))
            assert max(node_writes) < task_write
            (request,) = found.driver.requests
            told = await found.told("build-pod")
            assert request.source.pid == told["pid"]
            assert str(request.source.inject_socket) == told["inject_socket"]
            assert request.source.status_url == f"http://{told['address']}:8080/runtime/status"
            assert (request.snapshot_key, request.snapshot_hash, request.target_node) == ("key-1", HASH, NODE)
            labels = labels_of(found.cluster.get("nodes", NODE) or {})
            assert labels[provider_label(found.driver.name)] == "true"

    asyncio.run(test())


def test_an_artifact_outlives_its_source(folder: Path) -> None:
    """A session MUST be restored although the build Sandbox is gone (SS-B9)."""

    async def test() -> None:
        async with node(folder) as found:
            await building(found)
            found.task()
            await found.until_answered()
            found.cluster.delete_pod("build-pod", NAMESPACE)
            await found.cluster.until(lambda: not found.processes())
            found.pod("session", key="key-1")
            await found.until_ready("session")
            artifact = await found.driver.inspect(NAMESPACE, "key-1")
            assert artifact is not None
            assert (await found.told("session"))["boot_id"] == artifact.boot_id

    asyncio.run(test())


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"providerName": "other.ref"}, "provider 'other.ref' is not"),
        ({"snapshotMode": "Resume"}, "mode 'Resume' is none"),
        ({"snapshotKey": ""}, "no snapshotKey"),
        ({"snapshotHash": "sha256:12"}, "snapshotHash 'sha256:12'"),
        ({"snapshotUID": "of-a-namesake"}, "with UID 'of-a-namesake' is not there"),
        ({"snapshotRef": {"name": "gone"}}, "snapshot gone"),
        ({"targetSandboxRef": {"name": "session"}}, "sessions are never captured"),
        ({"targetSandboxRef": {"name": "foreign"}}, "not one that was made for snapshot snap"),
    ],
)
def test_a_task_that_is_not_right_is_refused(folder: Path, wrong: dict[str, Any], why: str) -> None:
    """A wrong provider, mode, key, hash, snapshot or source MUST fail a task, with the reason (SS-B11)."""

    async def test() -> None:
        async with node(folder) as found:
            await building(found)
            found.pod("session-pod", owner="session")
            found.build("foreign")
            owners = [{"kind": "Other", "uid": "other", "controller": True}]
            found.cluster.edit("sandboxes", "foreign", {"metadata": {"ownerReferences": owners}}, NAMESPACE)
            for name in ("session-pod", "foreign-pod"):
                await found.until_ready(name)
            found.task(**wrong)
            status = await found.until_answered()
            assert status["phase"] == "Failed"
            assert why in status["message"]
            assert found.driver.requests == []

    asyncio.run(test())


def test_tasks_of_other_nodes_are_left_alone(folder: Path) -> None:
    """A task of another node MUST stay untouched (SS-B11)."""

    async def test() -> None:
        async with node(folder) as found:
            await building(found)
            found.task("theirs", targetNodeName="other", providerName="other.ref")
            found.task("mine")
            await found.until_answered("mine")
            assert found.status("theirs", "sandboxsnapshottasks") == {}
            written = {what for _, kind, what in found.cluster.writes if kind.startswith("sandboxsnapshot")}
            assert written == {"mine"}

    asyncio.run(test())


@pytest.mark.parametrize(
    ("trouble", "why"),
    [("fails", "NotSafe: the source has two threads"), ("hangs", "no artifact within 0.2 s")],
)
def test_a_driver_that_fails_fails_the_task(folder: Path, trouble: str, why: str) -> None:
    """A task whose artifact cannot be made MUST fail, in bounded time, and nothing is published (SS-B7)."""

    async def test() -> None:
        async with node(folder, create_limit_s=0.2) as found:
            await building(found)
            getattr(found.driver, trouble).add("create")
            found.task()
            status = await found.until_answered()
            assert (status["phase"], why in status["message"]) == ("Failed", True)
            assert inventory(found) == {}

    asyncio.run(test())


def test_an_artifact_that_is_another_is_refused_and_deleted(folder: Path) -> None:
    """An artifact with another hash than the task's MUST NOT be Ready, nor stay."""

    async def test() -> None:
        async with node(folder) as found:
            await building(found)
            found.driver.others = {"hash": "sha256:" + "b" * 64}
            found.task()
            status = await found.until_answered()
            assert status["phase"] == "Failed"
            assert "ArtifactMismatch: hash" in status["message"]
            assert found.driver.artifacts == {}

    asyncio.run(test())


def test_a_build_that_ended_fails_its_task(folder: Path) -> None:
    """A task whose build process has ended MUST fail: no other will come (SS-B7)."""

    async def test() -> None:
        async with node(folder) as found:
            found.snapshot()
            found.build("build", env={"STANDIN_END": "1"})
            await found.until_failed("build-pod")
            found.task()
            assert "has ended" in (await found.until_answered())["message"]

    asyncio.run(test())


def test_an_artifact_that_vanishes_leaves_the_inventory(folder: Path) -> None:
    """An artifact that the driver lost MUST leave the inventory, and another's key start cold (SS-I9)."""

    async def test() -> None:
        async with node(folder) as found:
            await building(found)
            found.task()
            await found.until_answered()
            (told,) = json.loads(await found.get(f"http://{found.settings.http}/artifacts"))
            assert (told["namespace"], told["key"], told["hash"]) == (NAMESPACE, "key-1", HASH)
            await found.delete(f"/artifacts/{NAMESPACE}/key-1")
            await found.cluster.until(lambda: inventory(found) == {})
            with pytest.raises(urllib.error.HTTPError, match="404"):
                await found.delete(f"/artifacts/{NAMESPACE}/key-1")

    asyncio.run(test())


def test_what_a_former_process_held_is_not_said_again(folder: Path) -> None:
    """A node that starts MUST say what it holds now, whatever its Node said before."""

    async def test() -> None:
        async with bench(folder) as found:
            said = {inventory_annotation(found.driver.name): '{"ns/gone": "sha256:1"}'}
            found.cluster.put("nodes", {"metadata": {"name": NODE, "annotations": said}, "spec": {}})
            assert inventory(found)
            async with found.running():
                await found.cluster.until(lambda: inventory(found) == {})

    asyncio.run(test())


def test_artifacts_of_a_deleted_snapshot_go_at_once(folder: Path) -> None:
    """Artifacts of a snapshot that is deleted MUST be deleted; those of others stay (SS-I7, K2)."""

    async def test() -> None:
        async with node(folder) as found:
            found.driver.put(NAMESPACE, "key-1")
            found.driver.put(NAMESPACE, "key-2")
            found.snapshot("snap", keys="key-1")
            found.snapshot("other", keys="key-2")
            await found.cluster.until(lambda: len(inventory(found)) == 2)
            began = asyncio.get_running_loop().time()
            found.cluster.remove("sandboxsnapshots", "snap", NAMESPACE)
            await found.cluster.until(lambda: len(inventory(found)) == 1)
            assert asyncio.get_running_loop().time() - began < 3
            assert list(found.driver.artifacts) == [(NAMESPACE, "key-2")]

    asyncio.run(test())


def test_a_replaced_artifact_stays_a_moment(folder: Path) -> None:
    """A key that its snapshot no longer has MUST stay restorable a moment, for sessions under way (SS-P6)."""

    async def test() -> None:
        async with node(folder) as found:
            found.driver.put(NAMESPACE, "old")
            found.snapshot("snap", keys="old")
            await found.cluster.until(lambda: inventory(found))
            noted = {"metadata": {"annotations": {LIVE_KEYS: "new"}}}
            found.cluster.edit("sandboxsnapshots", "snap", noted, NAMESPACE)
            found.pod("session", key="old")
            await found.until_ready("session")
            assert (await found.told("session"))["mode"] == "restored"
            await found.cluster.until(lambda: inventory(found) == {})

    asyncio.run(test())
