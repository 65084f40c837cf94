"""Knob `golden_cleanup=server`: the golden of a deleted template goes with it. Upstream leaves it (SUB-4)."""

from __future__ import annotations

import asyncio

from reference.informer import Informer, Object, key_of
from reference.rollout.substrate.model import Template
from reference.rollout.substrate.operations import Operations
from reference.rollout.substrate.store import Store


class GoldenCleanup:
    """Discards the golden of every template that is deleted."""

    def __init__(self, store: Store, operations: Operations, templates: Informer) -> None:
        self._store = store
        self._operations = operations
        self._templates = templates
        self._goldens: asyncio.Queue[tuple[Template, str]] = asyncio.Queue()
        templates.listen(self._changed)

    async def run(self) -> None:
        """Discard until cancelled."""
        while True:
            template, golden_id = await self._goldens.get()
            for actor in self._store.actors_named(golden_id):
                if actor.template == template:
                    await self._operations.discard(actor.ref)

    def _changed(self, before: Object | None, after: Object | None) -> None:
        golden_id = ((before or {}).get("status") or {}).get("goldenActorID")
        if before is not None and after is None and golden_id:
            self._goldens.put_nowait((Template(*key_of(before)), golden_id))
