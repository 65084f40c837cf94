"""The golden machine against a real ate-api; the API server is a dictionary with resource versions."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from lightkube import ApiError
from lightkube.core.internal_models import meta_v1

from reference.informer import Listener
from reference.rollout.ateapi import Shape, Status
from reference.rollout.reflection import AsyncReflectedService
from reference.rollout.substrate.golden import GoldenMachine, warm_up
from reference.rollout.substrate.model import Template
from reference.rollout.substrate.mutants import GoldenGivesUp, GoldenRunning, ReadyNoSnapshot
from tests.unit.rollout.substrate.harness import NAMESPACE, Bench, bench, template
from tests.unit.rollout.substrate.test_operations import until


class FakeApi:
    """Templates, as client and as informer: a write is heard by listeners, an old version is a conflict."""

    def __init__(self, substrate: Bench) -> None:
        self._substrate = substrate
        self._listeners: list[Listener] = []
        self.conflicts = 0
        self.phases: list[str] = []

    def get(self, namespace: str, name: str) -> Any:
        """As an informer."""
        return self._substrate.templates.get(Template(namespace, name))

    def listen(self, listener: Listener) -> None:
        """As an informer."""
        self._listeners.append(listener)

    def put(self, found: dict[str, Any]) -> None:
        """A template is created."""
        self._substrate.put(found)
        self._tell(found)

    async def patch(self, _kind: Any, name: str, patch: Any, *, namespace: str, **_: Any) -> None:
        """As a client: a merge patch of the status."""
        found = self.get(namespace, name)
        if self.conflicts or patch["metadata"]["resourceVersion"] != found["metadata"]["resourceVersion"]:
            self.conflicts -= 1
            raise ApiError(status=meta_v1.Status(code=409, message="conflict"))
        version = str(int(found["metadata"]["resourceVersion"]) + 1)
        changed = {
            **found,
            "metadata": {**found["metadata"], "resourceVersion": version},
            "status": {**found.get("status", {}), **patch["status"]},
        }
        self.phases.append(changed["status"]["phase"])
        self._substrate.put(changed)
        self._tell(changed)

    def _tell(self, after: dict[str, Any]) -> None:
        for listener in self._listeners:
            listener(None, after)


@contextlib.asynccontextmanager
async def machine(
    folder: Path, kind: type[GoldenMachine] = GoldenMachine, **options: Any
) -> AsyncIterator[tuple[Bench, FakeApi]]:
    """A substrate with a golden machine at work."""
    async with bench(folder, templates=[], **options) as substrate:
        api: Any = FakeApi(substrate)
        service = AsyncReflectedService.connect(substrate.target)
        task = asyncio.ensure_future(kind(api, api, service).run())
        try:
            yield substrate, api
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await service.close()


def status(substrate: Bench, name: str = "t") -> dict[str, Any]:
    """The status of a template."""
    found: dict[str, Any] = substrate.templates[Template(NAMESPACE, name)].get("status", {})
    return found


@pytest.mark.parametrize("shape", list(Shape))
def test_a_template_becomes_ready_step_by_step(folder: Path, shape: Shape) -> None:
    """The phases MUST come in order; Ready MUST have a snapshot, and its golden MUST be SUSPENDED (SUB-1)."""

    async def test() -> None:
        async with machine(folder, shape=shape) as (substrate, api):
            api.put(template())
            await until(lambda: status(substrate).get("phase") == "Ready")
            assert api.phases == ["ResumeGoldenActor", "WaitGoldenActor", "Ready"]
            (golden,) = substrate.store.actors()
            assert golden.status is Status.SUSPENDED
            assert golden.ref.id == status(substrate)["goldenActorID"]
            assert golden.ref.atespace == ("" if shape is Shape.FLAT else "ate-golden")
            assert golden.last_snapshot == status(substrate)["goldenSnapshot"] != ""
            assert substrate.store.snapshot(golden.last_snapshot) == {"boot_count": 1, "served": 0}
            (condition,) = status(substrate)["conditions"]
            assert (condition["type"], condition["status"]) == ("Ready", "True")

    asyncio.run(test())


def test_without_probes_the_snapshot_waits(folder: Path) -> None:
    """A container without readyz MUST delay the snapshot by 20 s, with one MUST NOT."""
    assert (warm_up(template()["spec"]), warm_up(template(readyz=False)["spec"]), warm_up({})) == (0, 20, 20)

    async def test() -> None:
        async with machine(folder) as (substrate, api):
            began = datetime.datetime.now(datetime.UTC)
            api.put(template(readyz=False))
            await until(lambda: status(substrate).get("phase") == "WaitGoldenActor")
            at = datetime.datetime.fromisoformat(status(substrate)["takeGoldenSnapshotAt"])
            assert 18.9 < (at - began).total_seconds() < 21

    asyncio.run(test())


def test_a_failing_golden_is_tried_for_ever(folder: Path) -> None:
    """A golden that cannot boot MUST stay RESUMING on one worker, its template ResumeGoldenActor (SUB-2)."""

    async def test() -> None:
        async with machine(folder, workers=2) as (substrate, api):
            api.put(template(env={"X": "workload-boot=fail"}))
            await until(lambda: (s := substrate.store.actors()) and s[0].version > 5)
            assert api.phases == ["ResumeGoldenActor"]
            assert [actor.status for actor in substrate.store.actors()] == [Status.RESUMING]
            assert len(substrate.store.free_workers()) == 1

    asyncio.run(test())


def test_a_golden_waits_for_a_worker(folder: Path) -> None:
    """With a full pool the template MUST stay ResumeGoldenActor, and go on once a worker is free (SUB-3)."""

    async def test() -> None:
        async with machine(folder) as (substrate, api):
            substrate.put(template("other"))
            await substrate.create("a", "other")
            await substrate.on("ResumeActor")
            api.put(template())
            await until(lambda: status(substrate).get("phase") == "ResumeGoldenActor")
            await asyncio.sleep(0.3)
            assert status(substrate)["phase"] == "ResumeGoldenActor"
            await substrate.on("SuspendActor")
            await until(lambda: status(substrate).get("phase") == "Ready")

    asyncio.run(test())


def test_goldens_are_built_one_at_a_time(folder: Path) -> None:
    """A golden that hangs in its boot MUST hold up the next template (contract section 14)."""

    async def test() -> None:
        async with machine(folder, workers=2) as (substrate, api):
            api.put(template("hangs", env={"X": "workload-boot=after:1"}))
            await until(lambda: status(substrate, "hangs").get("phase") == "ResumeGoldenActor")
            await until(lambda: bool(substrate.processes()))
            api.put(template("next"))
            await until(lambda: status(substrate, "next").get("phase") == "Ready")
            assert api.phases.index("WaitGoldenActor") < api.phases.index("ResumeGoldenActor", 1)

    asyncio.run(test())


def test_a_status_that_cannot_be_written_leaves_a_golden_behind(folder: Path) -> None:
    """A conflict after CreateActor MUST end in Ready, with one golden that no status names (D16)."""

    async def test() -> None:
        async with machine(folder) as (substrate, api):
            api.conflicts = 1
            api.put(template())
            await until(lambda: status(substrate).get("phase") == "Ready")
            assert len(substrate.store.actors()) == 2

    asyncio.run(test())


def test_mutants_of_the_golden_machine_show(folder: Path) -> None:
    """golden-running and ready-no-snapshot MUST break what Ready implies, golden-gives-up MUST give up."""

    async def test() -> None:
        async with machine(folder / "1", GoldenRunning) as (substrate, api):
            api.put(template())
            await until(lambda: status(substrate).get("phase") == "Ready")
            await until(lambda: substrate.store.actors()[0].status is Status.RUNNING)
            await substrate.operations.suspend(substrate.store.actors()[0].ref)
        async with machine(folder / "2", ReadyNoSnapshot) as (substrate, api):
            api.put(template())
            await until(lambda: status(substrate).get("phase") == "Ready")
            assert "goldenSnapshot" not in status(substrate)
        async with machine(folder / "3", GoldenGivesUp) as (substrate, api):
            api.put(template(env={"X": "workload-boot=fail"}))
            await until(lambda: status(substrate).get("phase") == "Failed")

    asyncio.run(test())
