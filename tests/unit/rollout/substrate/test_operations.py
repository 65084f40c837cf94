"""Actors over gRPC, with real processes: states, codes and texts of contract sections 8 and 14."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Coroutine
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest

from reference.rollout.ateapi import Shape, Status
from reference.rollout.substrate.model import ActorRef, Pool
from tests.unit.rollout.substrate.harness import NAMESPACE, Bench, bench, template, worker

NEW = {"actor_template_namespace": NAMESPACE, "actor_template_name": "t"}


def run(test: Coroutine[Any, Any, None]) -> None:
    """Run a test's coroutine."""
    asyncio.run(test)


async def refusal(call: Awaitable[Any]) -> tuple[str, str]:
    """Code and text of a call that must fail."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return caught.value.code().name, caught.value.details() or ""


def test_a_created_actor_is_suspended_in_version_1(folder: Path) -> None:
    """CreateActor MUST give SUSPENDED, version 1, and refuse what is missing, taken or misnamed (SUB-9)."""

    async def test() -> None:
        async with bench(folder) as substrate:
            created = (await substrate.call("CreateActor", {"actor_id": "a", **NEW}))["actor"]
            assert (created["status"], created["version"]) == ("STATUS_SUSPENDED", 1)
            again = substrate.call("CreateActor", {"actor_id": "a", **NEW})
            assert await refusal(again) == ("ALREADY_EXISTS", "Actor a already exists")
            other = substrate.call("CreateActor", {"actor_id": "b", **NEW, "actor_template_name": "none"})
            assert await refusal(other) == ("FAILED_PRECONDITION", "ActorTemplate ns/none not found")
            for wrong in ("B", "-b", "b" * 64, ""):
                code, _ = await refusal(substrate.call("CreateActor", {"actor_id": wrong, **NEW}))
                assert code == "INVALID_ARGUMENT"
            assert await refusal(substrate.on("GetActor", "b")) == ("NOT_FOUND", "Actor b not found")

    run(test())


def test_memory_is_saved_and_restored(folder: Path) -> None:
    """What an actor remembers MUST survive suspend and resume, and MUST NOT reach another actor."""

    async def test() -> None:
        async with bench(folder, workers=2) as substrate:
            await substrate.create("a")
            assert (await substrate.on("ResumeActor"))["status"] == "STATUS_RUNNING"
            assert [(await substrate.send())["served"] for _ in range(2)] == [1, 2]
            suspended = await substrate.on("SuspendActor")
            assert suspended["status"] == "STATUS_SUSPENDED"
            assert suspended["last_snapshot"].startswith("gs://snapshots/a/")
            assert substrate.processes() == set()
            await substrate.on("ResumeActor")
            answered = await substrate.send()
            assert (answered["boot_count"], answered["served"]) == (2, 3)
            await substrate.create("b")
            await substrate.on("ResumeActor", "b")
            answered = await substrate.send("b")
            assert (answered["boot_count"], answered["served"]) == (1, 1)

    run(test())


def test_a_new_actor_starts_from_the_golden_snapshot(folder: Path) -> None:
    """Resume MUST use the latest snapshot, else the golden one, else a cold boot (SUB-8)."""

    async def test() -> None:
        async with bench(folder) as substrate:
            substrate.store.put_snapshot("gs://golden", {"boot_count": 1, "served": 7})
            golden = template()
            golden["status"] = {"goldenSnapshot": "gs://golden"}
            substrate.put(golden)
            await substrate.create("a")
            await substrate.on("ResumeActor")
            answered = await substrate.send()
            assert (answered["boot_count"], answered["served"]) == (2, 8)

    run(test())


def test_only_suspended_actors_are_deleted(folder: Path) -> None:
    """DeleteActor MUST refuse every state but SUSPENDED, naming it (SUB-6)."""

    async def test() -> None:
        async with bench(folder) as substrate:
            await substrate.create()
            await substrate.on("ResumeActor")
            assert await refusal(substrate.on("DeleteActor")) == (
                "FAILED_PRECONDITION",
                "Actor a is not suspended (status: STATUS_RUNNING)",
            )
            await substrate.on("PauseActor")
            assert (await refusal(substrate.on("DeleteActor")))[0] == "FAILED_PRECONDITION"
            await substrate.on("ResumeActor")
            await substrate.on("SuspendActor")
            await substrate.on("DeleteActor")
            assert await refusal(substrate.on("DeleteActor")) == ("NOT_FOUND", "Actor a not found")

    run(test())


def test_a_paused_actor_resumes_with_its_memory_but_cannot_be_suspended(folder: Path) -> None:
    """Resume of PAUSED MUST work, Suspend of PAUSED MUST be INTERNAL (contract section 14)."""

    async def test() -> None:
        async with bench(folder) as substrate:
            await substrate.create()
            assert (await refusal(substrate.on("PauseActor")))[0] == "FAILED_PRECONDITION"
            await substrate.on("ResumeActor")
            await substrate.send()
            assert (await substrate.on("PauseActor"))["status"] == "STATUS_PAUSED"
            assert substrate.processes() == set()
            assert await refusal(substrate.on("SuspendActor")) == ("INTERNAL", "internal server error")
            assert (await substrate.on("ResumeActor"))["status"] == "STATUS_RUNNING"
            assert (await substrate.send())["served"] == 2

    run(test())


def test_one_operation_at_a_time(folder: Path) -> None:
    """Of five concurrent Resumes one MUST succeed and four MUST be ABORTED (SUB-7)."""

    async def test() -> None:
        async with bench(folder, restore_delay=0.05) as substrate:
            await substrate.create()
            calls = [substrate.on("ResumeActor") for _ in range(5)]
            results = await asyncio.gather(*calls, return_exceptions=True)
            refused = [r for r in results if isinstance(r, grpc.aio.AioRpcError)]
            assert [(r.code().name, r.details()) for r in refused] == [
                ("ABORTED", "another operation is in progress for this actor")
            ] * 4

    run(test())


def test_workers_are_found_by_class_and_both_selectors(folder: Path) -> None:
    """Resume MUST take a free worker of a matching pool, or say which of the two is missing (SUB-8)."""

    async def test() -> None:
        async with bench(folder, workers=1) as substrate:
            substrate.pools.append(Pool(NAMESPACE, "other", "gvisor", {"tier": "b"}))
            substrate.store.put_worker(worker(1, "other"))
            substrate.put(template("picky", workerSelector={"matchLabels": {"tier": "b"}}))
            substrate.put(template("nowhere", workerSelector={"matchLabels": {"tier": "c"}}))
            substrate.put(template("vm", sandboxClass="microvm"))
            for name in ("picky", "picky2", "nowhere", "vm"):
                await substrate.create(name, name.removesuffix("2"))
            assert (await substrate.on("ResumeActor", "picky"))["worker_pool_name"] == "other"
            full = await refusal(substrate.on("ResumeActor", "picky2"))
            assert full == ("FAILED_PRECONDITION", "no free workers available")
            for name in ("nowhere", "vm"):
                code, text = await refusal(substrate.on("ResumeActor", name))
                assert (code, text[:23]) == ("FAILED_PRECONDITION", "no worker pool matches ")
            selector = {"worker_selector": {"match_labels": {"tier": "z"}}}
            await substrate.call("CreateActor", {"actor_id": "own", **NEW, **selector})
            assert (await refusal(substrate.on("ResumeActor", "own")))[1].startswith("no worker pool")

    run(test())


def test_an_actor_without_its_template_is_stranded(folder: Path) -> None:
    """Without its template an actor MUST stay RUNNING on its worker until it is back (SUB-5)."""

    async def test() -> None:
        async with bench(folder) as substrate:
            await substrate.create()
            await substrate.on("ResumeActor")
            found = substrate.templates.copy()
            substrate.templates.clear()
            for method in ("SuspendActor", "ResumeActor"):
                assert await refusal(substrate.on(method)) == ("INTERNAL", "internal server error")
            assert (await refusal(substrate.on("DeleteActor")))[0] == "FAILED_PRECONDITION"
            workers = (await substrate.call("ListWorkers", {}))["workers"]
            assert [w["actor_id"] for w in workers] == ["a"]
            substrate.templates.update(found)
            assert (await substrate.on("SuspendActor"))["status"] == "STATUS_SUSPENDED"

    run(test())


def test_a_lost_worker_leaves_its_actor_suspended(folder: Path) -> None:
    """When the pod of a worker goes, its actor MUST be SUSPENDED with the snapshot it had (SUB-10)."""

    async def test() -> None:
        async with bench(folder, workers=2) as substrate:
            ref = await substrate.create()
            running = await substrate.on("ResumeActor")
            await substrate.operations.worker_lost(
                next(w for w, a in substrate.store.workers() if w.pod == running["ateom_pod_name"])
            )
            lost = await substrate.on("GetActor")
            assert (lost["status"], lost["ateom_pod_name"]) == ("STATUS_SUSPENDED", "")
            assert substrate.processes() == set()
            assert (await substrate.on("ResumeActor"))["status"] == "STATUS_RUNNING"
            assert substrate.store.actor(ref).worker != running["ateom_pod_name"]

    run(test())


def test_a_worker_lost_during_a_resume_is_not_written_over(folder: Path) -> None:
    """An operation whose actor was changed meanwhile MUST end ABORTED, and leave no process."""

    async def test() -> None:
        async with bench(folder, restore_delay=0.2) as substrate:
            await substrate.create()
            resuming = asyncio.ensure_future(substrate.on("ResumeActor"))
            await until(lambda: status(substrate) is Status.RESUMING)
            await substrate.operations.worker_lost(substrate.store.workers()[0][0])
            code, _ = await refusal(resuming)
            assert code in ("ABORTED", "INTERNAL")
            assert status(substrate) is Status.SUSPENDED
            assert substrate.processes() == set()

    run(test())


def test_a_boot_that_fails_pins_its_worker(folder: Path) -> None:
    """A failing boot MUST leave the actor RESUMING on one worker; Suspend MUST end that (SUB-2)."""

    async def test() -> None:
        async with bench(folder, templates=[template(env={"X": "workload-boot=fail"})]) as substrate:
            await substrate.create()
            for _ in range(2):
                assert (await refusal(substrate.on("ResumeActor")))[0] == "INTERNAL"
                assert status(substrate) is Status.RESUMING
            assert substrate.store.free_workers() == []
            suspended = await substrate.on("SuspendActor")
            assert (suspended["status"], suspended["last_snapshot"]) == ("STATUS_SUSPENDED", "")
            assert len(substrate.store.free_workers()) == 1

    run(test())


def test_a_resumed_actor_is_ready(folder: Path) -> None:
    """Resume MUST return only when every readiness probe has answered 200."""

    async def test() -> None:
        async with bench(folder, templates=[template(env={"X": "workload-boot=after:0.3"})]) as substrate:
            await substrate.create()
            began = asyncio.get_running_loop().time()
            await substrate.on("ResumeActor")
            assert asyncio.get_running_loop().time() - began > 0.3

    run(test())


def test_a_missing_secret_is_named(folder: Path) -> None:
    """A Secret that is not there MUST be named in the refusal, and found once it is."""

    async def test() -> None:
        secrets: dict[str, dict[str, str]] = {}
        found = template()
        reference = {"secretKeyRef": {"name": "config", "key": "config.json"}}
        found["spec"]["containers"][0]["env"] = [{"name": "KAGENT_CONFIG_JSON", "valueFrom": reference}]
        async with bench(folder, templates=[found], secrets=secrets) as substrate:
            await substrate.create()
            assert await refusal(substrate.on("ResumeActor")) == (
                "FAILED_PRECONDITION",
                'container "agent" env "KAGENT_CONFIG_JSON" references missing secret ns/config',
            )
            secrets["config"] = {"other": ""}
            assert 'missing key "config.json"' in (await refusal(substrate.on("ResumeActor")))[1]
            secrets["config"] = {"config.json": '{"model": "m"}'}
            await substrate.on("ResumeActor")
            assert (await substrate.send())["config"] == {"model": "m"}

    run(test())


def test_a_caller_that_goes_away_stops_nothing(folder: Path) -> None:
    """An operation MUST run to its end when its caller is gone."""

    async def test() -> None:
        async with bench(folder, checkpoint_delay=0.2) as substrate:
            await substrate.create()
            await substrate.on("ResumeActor")
            with pytest.raises(grpc.aio.AioRpcError):
                await substrate.client.call("SuspendActor", {"actor_id": "a"}, timeout=0.05)
            await until(lambda: status(substrate) is Status.SUSPENDED)

    run(test())


def test_an_actor_whose_process_ends_is_suspended(folder: Path) -> None:
    """A RUNNING actor MUST NOT outlive its process."""

    async def test() -> None:
        async with bench(folder) as substrate:
            await substrate.create()
            await substrate.on("ResumeActor")
            (pid,) = substrate.processes()
            os.kill(pid, signal.SIGKILL)
            await until(lambda: status(substrate) is Status.SUSPENDED)
            assert len(substrate.store.free_workers()) == 1

    run(test())


def test_actors_are_listed_in_pages(folder: Path) -> None:
    """ListActors MUST give every actor once, page by page."""

    async def test() -> None:
        async with bench(folder) as substrate:
            for number in range(5):
                await substrate.create(f"a{number}")
            seen, token, pages = [], "", 0
            while True:
                reply = await substrate.call("ListActors", {"page_size": 2, "page_token": token})
                seen += [actor["actor_id"] for actor in reply["actors"]]
                token, pages = reply["next_page_token"], pages + 1
                if not token:
                    break
            assert (seen, pages) == ([f"a{n}" for n in range(5)], 3)
            assert (await refusal(substrate.call("ListActors", {"page_size": 1001})))[0] == "INVALID_ARGUMENT"

    run(test())


def test_atespaces_keep_actors_apart(folder: Path) -> None:
    """In the other shape an actor MUST belong to an atespace that exists, which names it (SUB-9)."""

    async def test() -> None:
        async with bench(folder, shape=Shape.ATESPACES) as substrate:

            def of(atespace: str, name: str = "a") -> dict[str, Any]:
                return {"actor": {"metadata": {"atespace": atespace, "name": name}, **NEW}}

            assert await refusal(substrate.call("CreateActor", of("s1"))) == (
                "FAILED_PRECONDITION",
                "Atespace s1 not found",
            )
            for name in ("s1", "s2"):
                await substrate.call("CreateAtespace", {"atespace": {"metadata": {"name": name}}})
                await substrate.call("CreateActor", of(name))
            again = substrate.call("CreateAtespace", {"atespace": {"metadata": {"name": "s1"}}})
            assert await refusal(again) == ("ALREADY_EXISTS", "Atespace s1 already exists")
            listed = (await substrate.call("ListActors", {"atespace": "s2"}))["actors"]
            assert [actor["metadata"] for actor in listed] == [{"atespace": "s2", "name": "a", "version": 1}]
            resumed = await substrate.call("ResumeActor", {"actor": {"atespace": "s2", "name": "a"}})
            assert resumed["actor"]["status"] == "STATUS_RUNNING"
            (taken,) = (await substrate.call("ListWorkers", {}))["workers"]
            assert taken["assignment"]["actor"] == {"atespace": "s2", "name": "a"}
            assert await refusal(substrate.call("DeleteAtespace", {"atespace": {"name": "s1"}})) == (
                "FAILED_PRECONDITION",
                "Atespace s1 is not empty",
            )
            gone = await substrate.call("DeleteActor", {"actor": {"atespace": "s1", "name": "a"}})
            assert gone["metadata"]["name"] == "a"

    run(test())


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("", "actor.metadata.name: Required value"),
        ("x" * 64, f'actor.metadata.name: Invalid value: "{"x" * 64}": must be no more than 63 bytes'),
        ("Up", 'actor.metadata.name: Invalid value: "Up": a lowercase RFC 1123 label must consist of '),
    ],
)
def test_names_are_refused_as_later_releases_do(folder: Path, name: str, text: str) -> None:
    """In the shape with atespaces a name MUST be refused in the words of that release (SUB-9)."""

    async def test() -> None:
        async with bench(folder, shape=Shape.ATESPACES) as substrate:
            request = {"actor": {"metadata": {"atespace": "s", "name": name}, **NEW}}
            code, details = await refusal(substrate.call("CreateActor", request))
            assert (code, details[: len(text)]) == ("INVALID_ARGUMENT", text)

    run(test())


def status(substrate: Bench) -> Status:
    """The state of actor `a`."""
    return substrate.store.actor(ActorRef("", "a")).status


async def until(condition: Any, seconds: float = 10) -> None:
    """Return once `condition()` holds. Raises TimeoutError."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.005)
