"""The Node and its Lease: made, taken over, kept Ready, and out of touch."""

from __future__ import annotations

import asyncio
from pathlib import Path

from reference.objects import uid_of
from reference.snapstart.node.registration import LEASE_NAMESPACE, is_ready
from tests.unit.snapstart.node.harness import NAMESPACE, NODE, Bench, bench, node

UNKNOWN = [{"type": "Ready", "status": "Unknown"}]


def renewal(found: Bench) -> str:
    """When the Lease was renewed."""
    lease = found.cluster.get("leases", NODE, LEASE_NAMESPACE)
    assert lease is not None
    return str(lease["spec"]["renewTime"])


def test_a_node_registers_and_renews_its_lease(folder: Path) -> None:
    """The Node MUST be Ready, labelled and tainted as asked, and its Lease be renewed."""

    async def test() -> None:
        taints = ({"key": "k", "value": "v", "effect": "NoSchedule"},)
        async with node(folder, labels={"pool": "process"}, taints=taints) as found:
            there = found.cluster.get("nodes", NODE)
            assert there is not None and is_ready(there)
            assert there["metadata"]["labels"]["pool"] == "process"
            assert there["metadata"]["labels"]["kubernetes.io/hostname"] == NODE
            assert there["spec"]["taints"] == list(taints)
            assert there["status"]["allocatable"]["pods"] == "61"
            before = renewal(found)
            await found.cluster.until(lambda: renewal(found) > before)
            owners = (found.cluster.get("leases", NODE, LEASE_NAMESPACE) or {})["metadata"]["ownerReferences"]
            assert [owner["uid"] for owner in owners] == [uid_of(there)]

    asyncio.run(test())


def test_a_node_of_that_name_is_taken_over(folder: Path) -> None:
    """A Node that is there MUST be taken over: same object, Ready again, with what others wrote."""

    async def test() -> None:
        async with bench(folder, labels={"pool": "process"}) as found:
            there = found.cluster.put(
                "nodes",
                {
                    "metadata": {"name": NODE, "labels": {"theirs": "1"}},
                    "spec": {"taints": [{"key": "theirs", "effect": "NoExecute"}]},
                    "status": {"conditions": UNKNOWN},
                },
            )
            async with found.running():
                now = found.cluster.get("nodes", NODE)
                assert now is not None and uid_of(now) == uid_of(there) and is_ready(now)
                assert {"theirs": "1", "pool": "process"}.items() <= now["metadata"]["labels"].items()
                assert now["spec"] == there["spec"]

    asyncio.run(test())


def test_a_node_said_to_be_unready_says_otherwise(folder: Path) -> None:
    """A Node that the cluster took for lost MUST be made Ready at the next heartbeat."""

    async def test() -> None:
        async with node(folder) as found:
            found.cluster.edit("nodes", NODE, {"status": {"conditions": UNKNOWN}})
            await found.cluster.until(lambda: is_ready(found.cluster.get("nodes", NODE) or {}))

    asyncio.run(test())


def test_a_deleted_node_is_not_made_again(folder: Path) -> None:
    """A Node that somebody deleted MUST stay away until the node is started again, as kubelets have it."""

    async def test() -> None:
        async with node(folder) as found:
            found.cluster.remove("nodes", NODE)
            before = renewal(found)
            await found.cluster.until(lambda: renewal(found) > before)
            before = renewal(found)
            await found.cluster.until(lambda: renewal(found) > before)
            assert found.cluster.get("nodes", NODE) is None

    asyncio.run(test())


def test_out_of_touch_a_node_says_and_does_nothing(folder: Path) -> None:
    """Without contact, Lease, statuses and processes MUST stay as they are; with it, all is made good."""

    async def test() -> None:
        async with node(folder) as found:
            for name in ("stays", "goes"):
                found.pod(name)
                await found.until_ready(name)
            running = found.processes()
            await found.post("/contact/lose")
            # A heartbeat that was under way has ended then.
            await asyncio.sleep(2 * found.settings.heartbeat_s)
            written = len(found.cluster.writes)
            # What the cluster does with a node that is lost.
            found.cluster.edit("nodes", NODE, {"status": {"conditions": UNKNOWN}})
            unready = {"status": {"conditions": [{"type": "Ready", "status": "False"}]}}
            found.cluster.edit("pods", "stays", unready, NAMESPACE)
            found.cluster.delete_pod("goes", NAMESPACE)
            found.pod("new")
            # Ten heartbeats.
            await asyncio.sleep(10 * found.settings.heartbeat_s)
            assert found.cluster.writes[written:] == []
            assert found.processes() == running
            await found.post("/contact/regain")
            for name in ("stays", "new"):
                await found.until_ready(name)
            await found.cluster.until(lambda: found.cluster.get("pods", "goes", NAMESPACE) is None)
            await found.cluster.until(lambda: is_ready(found.cluster.get("nodes", NODE) or {}))

    asyncio.run(test())


def test_a_server_that_is_away_is_waited_for(folder: Path) -> None:
    """Requests that fail MUST be repeated, and processes go on meanwhile."""

    async def test() -> None:
        async with node(folder) as found:
            found.pod("before")
            await found.until_ready("before")
            told = await found.told("before")
            found.cluster.down = True
            found.pod("meanwhile")
            await asyncio.sleep(5 * found.settings.heartbeat_s)
            assert (await found.told("before"))["pid"] == told["pid"]
            found.cluster.down = False
            await found.until_ready("meanwhile")
            assert (await found.told("before"))["pid"] == told["pid"]

    asyncio.run(test())
