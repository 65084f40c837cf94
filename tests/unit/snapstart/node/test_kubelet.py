"""Pods become processes: started cold or restored, observed, ended with their Pods."""

from __future__ import annotations

import asyncio
import base64
import errno
import itertools
from pathlib import Path

import psutil
import pytest

from reference.snapstart.node.ledger import Entry, Ledger
from reference.snapstart.node.pods import CONTEXT, TOKEN_VARIABLE
from reference.snapstart.node.runtimelayer import Policy
from tests.unit.snapstart.node.harness import ENDLESS, NAMESPACE, bench, node

#: What a restore that meets this trouble ends with.
RESULTS = {"unknown": "no_artifact", "fails": "failed", "hangs": "timeout"}


def test_a_pod_is_ready_once_its_process_answers(folder: Path) -> None:
    """A Pod MUST get an address and a process, and MUST be Ready only when that one has answered."""

    async def test() -> None:
        async with node(folder) as found:
            found.pod("slow", env={"STANDIN_DELAY": "1.5"})
            # It takes longer than the node keeps quiet about it.
            await found.cluster.until(lambda: found.status("slow").get("phase") == "Running")
            assert found.conditions("slow")["Ready"] == "False"
            status = await found.until_ready("slow")
            told = await found.told("slow")
            assert status["podIP"] == told["address"]
            assert status["containerStatuses"][0]["state"]["running"]
            assert status["containerStatuses"][0]["containerID"] == f"process://{told['pid']}"
            # The node is its own scheduler's voice where nodeName is preset.
            assert set(found.conditions("slow").values()) == {"True"}
            assert {"PodScheduled", "Initialized", "ContainersReady"} < set(found.conditions("slow"))

    asyncio.run(test())


def test_a_cold_process_gets_identity_context_and_token_of_its_own(folder: Path) -> None:
    """What distinguishes sessions MUST be the Pod's own, and its folder empty (SS-F2)."""

    async def test() -> None:
        async with node(folder) as found:
            pods = [found.pod(name, annotations={CONTEXT: f"for {name}"}) for name in ("a", "b")]
            told = []
            for pod in pods:
                await found.until_ready(pod["metadata"]["name"])
                told.append(await found.told(pod["metadata"]["name"]))
            assert [one["instance_id"] for one in told] == [pod["metadata"]["uid"] for pod in pods]
            assert [one["context"] for one in told] == ["for a", "for b"]
            assert [one["mode"] for one in told] == ["cold", "cold"]
            assert len({one["environment"][TOKEN_VARIABLE] for one in told}) == 2
            assert len({one["workspace"] for one in told}) == 2
            for one in told:
                assert one["cwd"] == one["workspace"]
                assert list(Path(one["cwd"]).iterdir()) == []

    asyncio.run(test())


def test_sessions_are_asked_for_the_page_that_was_named(folder: Path) -> None:
    """A session MUST be Ready by its answer to --session-page; a build, which is none, by /healthz."""

    async def test() -> None:
        async with node(folder, session_page="/witness") as found:
            found.pod("session")
            found.build("build")
            await found.until_ready("session")
            await found.until_ready("build-pod")
            asked = [(await found.told(name))["asked"] for name in ("session", "build-pod")]
            assert [pages[0] for pages in asked] == ["/witness", "/healthz"]

    asyncio.run(test())


def test_a_build_has_no_identity(folder: Path) -> None:
    """A build MUST get neither token nor instance, and no restore whatever its annotation says (SS-B13)."""

    async def test() -> None:
        async with node(folder) as found:
            found.driver.put(NAMESPACE, "k")
            found.build("build", key="k", annotations={CONTEXT: "secret"})
            await found.until_ready("build-pod")
            told = await found.told("build-pod")
            assert (told["mode"], told["instance_id"], told["context"]) == ("build", "", "")
            assert TOKEN_VARIABLE not in told["environment"]
            assert told["inject_socket"]

    asyncio.run(test())


def test_a_key_of_the_pods_namespace_is_restored(folder: Path) -> None:
    """A Pod with a key MUST be restored from the artifact of its namespace, and only from that (SS-K1)."""

    async def test() -> None:
        async with node(folder) as found:
            mine, foreign = found.driver.put(NAMESPACE, "k"), found.driver.put("other", "k")
            found.driver.put("other", "k2")
            found.pod("a", key="k", env={"WHO": "a"})
            found.pod("b", key="k", namespace="other")
            found.pod("c", key="k2")
            for name, namespace in (("a", NAMESPACE), ("b", "other"), ("c", NAMESPACE)):
                await found.until_ready(name, namespace)
            a, b, c = await found.told("a"), await found.told("b", "other"), await found.told("c")
            assert (a["mode"], a["boot_id"]) == ("restored", mine.boot_id)
            assert (b["mode"], b["boot_id"]) == ("restored", foreign.boot_id)
            assert c["mode"] == "cold"
            assert a["environment"]["WHO"] == "a"
            assert len({one["environment"][TOKEN_VARIABLE] for one in (a, b, c)}) == 3
            entries = await found.entries()
            assert [entries[name]["way"] for name in "abc"] == ["restored", "restored", "cold"]
            assert entries["c"]["fallback"] == "no_artifact"
            assert all(0 < e["seen_ns"] < e["up_ns"] < e["answered_ns"] for e in entries.values())

    asyncio.run(test())


@pytest.mark.parametrize("trouble", sorted(RESULTS))
@pytest.mark.parametrize("policy", list(Policy))
def test_a_restore_that_fails_ends_by_policy(folder: Path, trouble: str, policy: Policy) -> None:
    """A key that cannot be restored MUST lead to a cold start or a failed Pod, in bounded time (SS-S7)."""

    async def test() -> None:
        async with node(folder, policy=policy, restore_limit_s=0.1) as found:
            if trouble != "unknown":
                found.driver.put(NAMESPACE, "k")
                getattr(found.driver, trouble).add("restore")
            found.pod("p", key="k")
            if policy is Policy.COLD:
                await found.until_ready("p")
                assert (await found.told("p"))["mode"] == "cold"
                assert (await found.entries())["p"]["fallback"] == RESULTS[trouble]
            else:
                status = await found.until_failed("p")
                assert status["reason"] == "RestoreFailed"
                assert found.conditions("p")["Ready"] == "False"
                await found.cluster.until(lambda: not found.processes())

    asyncio.run(test())


def test_the_key_is_read_once(folder: Path) -> None:
    """An annotation that appears after the node has seen its Pod MUST change nothing (SS-S1)."""

    async def test() -> None:
        async with node(folder, cold_starts=1) as found:
            await found.key_comes_late()
            assert (await found.told("second"))["mode"] == "cold"

    asyncio.run(test())


def test_cold_starts_take_turns_and_restores_do_not(folder: Path) -> None:
    """With one turn, a cold start MUST wait until the one before has answered; a restore MUST NOT."""

    async def test() -> None:
        async with node(folder, cold_starts=1) as found:
            found.driver.put(NAMESPACE, "k")
            found.pod("first", env=ENDLESS)
            await found.cluster.until(found.processes)
            found.pod("second")
            found.pod("third", key="k")
            await found.until_ready("third")
            assert not found.is_ready("second")
            assert (await found.entries())["second"]["process"] is None
            found.cluster.delete_pod("first", NAMESPACE, grace=0)
            await found.until_ready("second")

    asyncio.run(test())


def test_a_deleted_pod_ends_with_all_that_it_started(folder: Path) -> None:
    """A deleted Pod MUST go only after its process, and leave no process, file or socket behind."""

    async def test() -> None:
        async with node(folder) as found:
            found.pod("p", env={"STANDIN_CHILDREN": "1"})
            found.build("b")
            for name in ("p", "b-pod"):
                await found.until_ready(name)
            assert len(found.processes()) == 4
            for name in ("p", "b-pod"):
                found.cluster.delete_pod(name, NAMESPACE)
            await found.cluster.until(lambda: not found.cluster.get("pods", "p", NAMESPACE))
            await found.cluster.until(lambda: not found.cluster.get("pods", "b-pod", NAMESPACE))
            assert found.processes() == set()
            await found.cluster.until(lambda: not list((found.settings.state / "pods").iterdir()))
            assert list(found.settings.options.sockets.glob("*")) == []
            assert await found.entries() == {}

    asyncio.run(test())


def test_a_pod_that_was_forced_away_ends_too(folder: Path) -> None:
    """The process of a Pod that is gone without the node's doing MUST be ended."""

    async def test() -> None:
        async with node(folder) as found:
            found.pod("p")
            await found.until_ready("p")
            found.cluster.remove("pods", "p", NAMESPACE)
            await found.cluster.until(lambda: not found.processes())

    asyncio.run(test())


def test_a_namesake_is_another_pod(folder: Path) -> None:
    """A Pod of the same name and another UID MUST get a process of its own, and the first one's MUST end."""

    async def test() -> None:
        async with node(folder) as found:
            found.pod("p")
            await found.until_ready("p")
            first = (await found.told("p"))["pid"]
            found.cluster.remove("pods", "p", NAMESPACE)
            found.pod("p")
            await found.until_ready("p")
            assert (await found.told("p"))["pid"] != first
            await found.cluster.until(lambda: not psutil.pid_exists(first))

    asyncio.run(test())


def test_a_process_that_ends_fails_its_pod(folder: Path) -> None:
    """A process that has ended MUST make its Pod Failed, with its code and last words."""

    async def test() -> None:
        async with node(folder) as found:
            found.driver.put(NAMESPACE, "k")
            found.pod("ends", env={"STANDIN_END": "3"})
            found.pod("killed")
            found.pod("restored", key="k")
            ended = await found.until_failed("ends")
            assert ended["containerStatuses"][0]["state"]["terminated"]["exitCode"] == 3
            assert "with exit code 3. this is the end" in ended["message"]
            for name in ("killed", "restored"):
                await found.until_ready(name)
                psutil.Process((await found.told(name))["pid"]).kill()
                status = await found.until_failed(name)
                assert status["reason"] == "ProcessEnded"
                assert found.conditions(name)["Ready"] == "False"
            assert found.status("killed")["containerStatuses"][0]["state"]["terminated"]["exitCode"] == 137
            await found.cluster.until(lambda: not list((found.settings.state / "pods").iterdir()))
            assert found.processes() == set()

    asyncio.run(test())


def test_a_process_that_never_answers_is_given_up(folder: Path) -> None:
    """A process without an answer MUST fail its Pod after the limit."""

    async def test() -> None:
        async with node(folder, start_s=0.3) as found:
            found.pod("p", env=ENDLESS)
            assert (await found.until_failed("p"))["reason"] == "StartTimeout"
            await found.cluster.until(lambda: not found.processes())

    asyncio.run(test())


def test_what_cannot_run_fails_with_the_reason(folder: Path) -> None:
    """A Pod that no node here can run MUST fail and say why."""

    async def test() -> None:
        async with node(folder) as found:
            found.pod("p", initContainers=[{"name": "first"}])
            assert "init containers" in (await found.until_failed("p"))["message"]

    asyncio.run(test())


def test_variables_are_as_fresh_restored_as_cold(folder: Path) -> None:
    """ConfigMaps and Secrets MUST be read when a session starts, not when its artifact was made (SS-I3)."""

    async def test() -> None:
        async with node(folder) as found:
            found.driver.put(NAMESPACE, "k")
            held = {"token": base64.b64encode(b"hidden").decode()}
            found.cluster.put("secrets", {"metadata": {"name": "s", "namespace": NAMESPACE}, "data": held})
            reference = {"secretKeyRef": {"name": "s", "key": "token"}}
            container = {
                "name": "main",
                "envFrom": [{"configMapRef": {"name": "c"}}],
                "env": [{"name": "TOKEN", "valueFrom": reference}],
            }
            found.pod("q0", containers=[container])
            found.pod("q1", key="k", containers=[container])
            # There is no ConfigMap yet.
            await found.cluster.until(lambda: found.status("q1").get("phase") == "Pending")
            assert "ConfigMap 'c' is not there" in str(found.status("q1")["containerStatuses"])
            metadata = {"name": "c", "namespace": NAMESPACE}
            found.cluster.put("configmaps", {"metadata": metadata, "data": {"A": "1"}})
            for name, mode in (("q0", "cold"), ("q1", "restored")):
                await found.until_ready(name)
                told = await found.told(name)
                assert (told["mode"], told["environment"]["A"]) == (mode, "1")
                assert told["environment"]["TOKEN"] == "hidden"

    asyncio.run(test())


def test_addresses_run_out_and_come_back(folder: Path) -> None:
    """A Pod for which there is no address MUST wait for one, and say so."""

    async def test() -> None:
        async with bench(folder) as found:
            small = next(found.settings.network.subnets(new_prefix=29))
            found.settings = type(found.settings)(**{**vars(found.settings), "network": small})
            async with found.running():
                names = [f"p{number}" for number in range(6)]
                for name in names:
                    found.pod(name)
                waits = lambda: [n for n in names if found.status(n).get("phase") == "Pending"]  # noqa: E731
                (last,) = await found.cluster.until(waits)
                assert "addresses" in str(found.status(last)["containerStatuses"])
                found.cluster.delete_pod(next(n for n in names if n != last), NAMESPACE, grace=0)
                await found.until_ready(last)

    asyncio.run(test())


@pytest.mark.parametrize("full_from", [1, 2])
@pytest.mark.parametrize("key", [None, "k"])
def test_a_full_disk_fails_the_pod(
    folder: Path, full_from: int, key: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A Pod whose record cannot be written MUST fail and say why, and its process, if any, be gone."""

    async def test() -> None:
        async with node(folder) as found:
            found.driver.put(NAMESPACE, "k")
            writes = itertools.count(1)
            put = Ledger.put

            def full(ledger: Ledger, entry: Entry) -> None:
                if next(writes) >= full_from:
                    raise OSError(errno.ENOSPC, "No space left on device")
                put(ledger, entry)

            with monkeypatch.context() as patch:
                patch.setattr(Ledger, "put", full)
                found.pod("p", key=key)
                status = await found.until_failed("p")
            assert status["reason"] == "StartError"
            assert "No space left on device" in status["message"]
            await found.cluster.until(lambda: not found.processes())
            assert await found.entries() == {}
            found.pod("later")
            await found.until_ready("later")

    asyncio.run(test())
