"""A node that was killed, and its processes: taken over, made good, ended, or given up as lost."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import psutil

from reference.processes import ProcessIdentity
from tests.unit.snapstart.node.harness import NAMESPACE, Bench, bench


async def _ready(found: Bench, *names: str) -> dict[str, int]:
    pids = {}
    for name in names:
        await found.until_ready(name)
        pids[name] = (await found.told(name))["pid"]
    return pids


def test_a_restarted_node_goes_on_with_its_processes(folder: Path) -> None:
    """Processes MUST outlive the node; what became of them and their Pods meanwhile MUST be made good."""

    async def test() -> None:
        async with bench(folder) as found:
            found.driver.put(NAMESPACE, "k")
            async with found.running():
                for name in ("cold", "dies", "deleted", "gone"):
                    found.pod(name)
                found.pod("restored", key="k")
                pids = await _ready(found, "cold", "dies", "deleted", "gone", "restored")
            # Nobody looks.
            psutil.Process(pids["dies"]).kill()
            found.cluster.delete_pod("deleted", NAMESPACE)
            found.cluster.remove("pods", "gone", NAMESPACE)
            unready = [{"type": "Ready", "status": "False"}]
            found.cluster.edit("pods", "cold", {"status": {"conditions": unready}}, NAMESPACE)
            async with found.running():
                assert await _ready(found, "cold", "restored") == {n: pids[n] for n in ("cold", "restored")}
                assert (await found.until_failed("dies"))["reason"] == "ProcessEnded"
                await found.cluster.until(lambda: not found.cluster.get("pods", "deleted", NAMESPACE))
                await found.cluster.until(lambda: found.processes() == {pids["cold"], pids["restored"]})
                # What was taken over is watched like the rest.
                psutil.Process(pids["restored"]).kill()
                await found.until_failed("restored")
                # And its addresses are not given twice.
                found.pod("new")
                await found.until_ready("new")
                assert found.status("new")["podIP"] != found.status("cold")["podIP"]

    asyncio.run(test())


def test_a_process_that_nobody_recorded_is_ended(folder: Path) -> None:
    """A node killed between start and record MUST end that process when it returns, and start another."""

    async def test() -> None:
        async with bench(folder) as found:
            async with found.running():
                found.pod("p")
                pid = (await _ready(found, "p"))["p"]
            record = next((found.settings.state / "pods").glob("*/entry.json"))
            text = record.read_text()
            process = ProcessIdentity.of(pid)
            entry = json.loads(text)
            assert entry["process"]["pid"] == pid
            record.write_text(json.dumps({**entry, "process": None, "way": ""}))
            found.cluster.edit("pods", "p", {"status": {"phase": "Pending"}}, NAMESPACE)
            async with found.running():
                await found.cluster.until(lambda: found.status("p").get("phase") == "Running")
                await found.until_ready("p")
                assert not process.alive
                assert len(found.processes()) == 1

    asyncio.run(test())


def test_a_pod_of_which_nothing_is_known_is_lost(folder: Path) -> None:
    """A Pod that ran here, says its status, and is in no record MUST fail; it MUST NOT be started anew."""

    async def test() -> None:
        async with bench(folder) as found:
            found.pod("p")
            found.cluster.edit("pods", "p", {"status": {"phase": "Running"}}, NAMESPACE)
            async with found.running():
                assert (await found.until_failed("p"))["reason"] == "ProcessLost"
                assert found.processes() == set()

    asyncio.run(test())
