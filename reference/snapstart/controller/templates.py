"""SandboxTemplates of CodeInterpreters: made with them, kept and collected with them (SS-A7, SS-A8)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import Any, Final

import httpx2

from reference.api import Api
from reference.informer import ALL_NAMESPACES, Informer, Informers, Key, key_of
from reference.objects import (
    Object,
    controlled_by,
    is_controlled_by,
    is_terminating,
    name_of,
    namespace_of,
    uid_of,
)
from reference.snapstart.kinds import (
    AGENTS_VERSION,
    CODE_INTERPRETER_CONTROLLER,
    EXTENSIONS_GROUP,
    MANAGED_BY,
    CodeInterpreter,
    SandboxTemplate,
)
from reference.workqueue import WorkQueue

_LOG = logging.getLogger(__name__)

_LONGEST_BACKOFF: Final = 2.0
_ABSENT: Final = object()


class Templates:
    """Keeps one SandboxTemplate for each CodeInterpreter, whether or not it has a pool or a snapshot."""

    def __init__(self, api: Api, namespaces: Sequence[str] = ()) -> None:
        """For the CodeInterpreters of some namespaces; an empty list of them means all."""
        self._api = api
        self._queue: WorkQueue[Key] = WorkQueue(longest_backoff=_LONGEST_BACKOFF)
        ours = {MANAGED_BY: CODE_INTERPRETER_CONTROLLER}
        self._informers = Informers()
        for scope in namespaces or (ALL_NAMESPACES,):
            self._informers.add(Informer(api.client, CodeInterpreter, scope), self._changed)
            self._informers.add(Informer(api.client, SandboxTemplate, scope, ours), self._changed)

    @property
    def synced(self) -> bool:
        """Whether both kinds have been listed once."""
        return self._informers.synced

    async def run(self) -> None:
        """Watch and reconcile until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._informers.run())
            tasks.create_task(self._queue.work(self.reconcile, (httpx2.HTTPError,)))

    async def reconcile(self, key: Key) -> float | None:
        """Bring the template of one CodeInterpreter to what that says."""
        owner = await self._api.get(CodeInterpreter, *key)
        if owner is None or is_terminating(owner) or not self.wants(owner):
            return None
        wanted = self.template(owner)
        found = await self._api.get(SandboxTemplate, *key)
        if found is None:
            await self._api.create(SandboxTemplate, wanted)
        elif not is_controlled_by(found, uid_of(owner)):
            _LOG.warning("a template of that name belongs to somebody else", extra={"template": list(key)})
        elif (patch := self.repair(found, wanted)) is not None:
            await self._api.patch(SandboxTemplate, found, patch)
        return None

    def wants(self, owner: Object) -> bool:
        """Whether a CodeInterpreter has a template: each has."""
        return True

    def template(self, owner: Object) -> dict[str, Any]:
        """The template of a CodeInterpreter."""
        return {
            "apiVersion": f"{EXTENSIONS_GROUP}/{AGENTS_VERSION}",
            "kind": "SandboxTemplate",
            "metadata": {
                "name": name_of(owner),
                "namespace": namespace_of(owner),
                "labels": {MANAGED_BY: CODE_INTERPRETER_CONTROLLER},
                "ownerReferences": controlled_by(owner),
            },
            "spec": {"podTemplate": owner["spec"]["podTemplate"]},
        }

    def repair(self, found: Object, wanted: Mapping[str, Any]) -> dict[str, Any] | None:
        """The merge patch that undoes edits of the Pod template and the label, None if there are none."""
        patch = merge_patch(
            {"podTemplate": found["spec"]["podTemplate"], "labels": _labels(found)},
            {"podTemplate": wanted["spec"]["podTemplate"], "labels": {**_labels(found), **_labels(wanted)}},
        )
        if patch is _ABSENT:
            return None
        return {
            "spec": {"podTemplate": patch.get("podTemplate", {})},
            "metadata": {"labels": patch.get("labels", {})},
        }

    def _changed(self, before: Object | None, after: Object | None) -> None:
        found = after if after is not None else before
        assert found is not None
        self._queue.add(key_of(found))


def merge_patch(before: Any, after: Any) -> Any:
    """The merge patch (RFC 7386) that makes `before` into `after`; a marker, no JSON, if they are equal."""
    if before == after:
        return _ABSENT
    if not isinstance(before, Mapping) or not isinstance(after, Mapping):
        return after
    patch = {key: None for key in before if key not in after}
    for key, value in after.items():
        changed = merge_patch(before[key], value) if key in before else value
        if changed is not _ABSENT:
            patch[key] = changed
    return patch


def _labels(found: Mapping[str, Any]) -> Mapping[str, Any]:
    return found["metadata"].get("labels") or {}
