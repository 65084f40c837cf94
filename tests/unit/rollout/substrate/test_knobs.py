"""The knobs: what becomes of a template's golden, and whether a template in use can be deleted."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from pathlib import Path
from typing import Any

from reference.informer import Listener
from reference.rollout.substrate.cleanup import GoldenCleanup
from reference.rollout.substrate.deletion import IN_USE, DeletionGuard
from reference.rollout.substrate.model import Template
from tests.unit.rollout.substrate.harness import NAMESPACE, Bench, bench, template
from tests.unit.rollout.substrate.test_operations import until


class FakeTemplates:
    """The substrate's templates, as an informer and as the client that annotates them."""

    def __init__(self, substrate: Bench) -> None:
        self._substrate = substrate
        self._listeners: list[Listener] = []
        self.annotations: defaultdict[str, dict[str, str]] = defaultdict(dict)

    def get(self, namespace: str, name: str) -> Any:
        """As an informer."""
        found = self._substrate.templates.get(Template(namespace, name))
        if found is None:
            return None
        return {**found, "metadata": {**found["metadata"], "annotations": dict(self.annotations[name])}}

    def listen(self, listener: Listener) -> None:
        """As an informer."""
        self._listeners.append(listener)

    def delete(self, name: str) -> None:
        """A template goes."""
        gone = self._substrate.templates.pop(Template(NAMESPACE, name))
        for listener in self._listeners:
            listener(gone, None)

    async def patch(self, _kind: Any, name: str, patch: Any, **_: Any) -> None:
        """As a client: a merge patch of the annotations."""
        for key, value in patch["metadata"]["annotations"].items():
            if value is None:
                self.annotations[name].pop(key, None)
            else:
                self.annotations[name][key] = value


def test_a_golden_goes_with_its_template_if_told_so(folder: Path) -> None:
    """With golden_cleanup=server the golden MUST go, with its snapshot, and no other actor."""

    async def test() -> None:
        golden = template()
        golden["status"] = {"goldenActorID": "golden"}
        async with bench(folder, templates=[golden]) as substrate:
            templates: Any = FakeTemplates(substrate)
            cleanup = asyncio.ensure_future(
                GoldenCleanup(substrate.store, substrate.operations, templates).run()
            )
            await substrate.create("golden")
            await substrate.create("a")
            await substrate.on("ResumeActor", "golden")
            await substrate.on("SuspendActor", "golden")
            templates.delete("t")
            await until(lambda: len(substrate.store.actors()) == 1)
            assert [actor.ref.id for actor in substrate.store.actors()] == ["a"]
            assert substrate.store.count_snapshots() == 0
            cleanup.cancel()
            await asyncio.gather(cleanup, return_exceptions=True)

    asyncio.run(test())


def test_a_template_is_marked_while_it_has_live_actors(folder: Path) -> None:
    """The mark MUST be there before an actor runs, and go when the last one rests; goldens do not count."""

    async def test() -> None:
        marked = template()
        marked["status"] = {"goldenActorID": "golden"}
        held: list[DeletionGuard] = []

        async def hold(actor: Any) -> None:
            await held[0].hold(actor)

        async with bench(folder, templates=[marked], workers=3, hold=hold) as substrate:
            templates: Any = FakeTemplates(substrate)
            guard = DeletionGuard(templates, substrate.store, templates)
            held.append(guard)
            substrate.store.changed = guard.changed
            task = asyncio.ensure_future(guard.run())
            for actor in ("golden", "a", "b"):
                await substrate.create(actor)
            await substrate.on("ResumeActor", "golden")
            assert IN_USE not in templates.annotations["t"]
            for actor in ("a", "b"):
                await substrate.on("ResumeActor", actor)
                assert IN_USE in templates.annotations["t"]
            await substrate.on("SuspendActor", "a")
            await asyncio.sleep(0.1)
            assert IN_USE in templates.annotations["t"]
            await substrate.on("SuspendActor", "b")
            await until(lambda: IN_USE not in templates.annotations["t"])
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    asyncio.run(test())
