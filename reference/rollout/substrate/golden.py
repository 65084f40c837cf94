"""The golden machine (contract section 8): one template after the other gets its golden snapshot.

    "" -> CreateActor -> ResumeGoldenActor -> ResumeActor (cold) -> WaitGoldenActor, takeGoldenSnapshotAt
       -> SuspendActor -> goldenSnapshot, Ready

It is the client of ate-api that atecontroller is upstream, and like that one it has a single worker: a golden
that hangs in its boot holds up every later template. Failures are tried again for ever; `Failed` is never
written. A golden is created before its id is in the status, so an interrupted step leaves one that no status
names (D16).
"""

from __future__ import annotations

import datetime
import logging
import uuid
from collections.abc import Mapping
from typing import Any, Final

import grpc
import httpx2
from lightkube import ApiError, AsyncClient
from lightkube.types import PatchType

from reference.informer import Informer, Key, Object, key_of
from reference.rollout.actors import GOLDEN_ATESPACE, Actors
from reference.rollout.kinds import ActorTemplate
from reference.rollout.reflection import AsyncReflectedService, ReflectionError
from reference.workqueue import WorkQueue

_LOG = logging.getLogger(__name__)

#: Seconds a golden without readiness probes has for its initialisation (contract section 4).
WARM_UP: Final = 20.0
#: Seconds until a call to ate-api is given up: longer than an operation may take there.
CALL_TIMEOUT: Final = 30.0
#: Seconds between two attempts, at most. Upstream doubles up to 1000 s: tests bound the pause by the hold.
LONGEST_BACKOFF: Final = 5.0

#: What a step fails with when something else is down, busy or quicker.
EXPECTED: Final = (grpc.RpcError, ReflectionError, ApiError, httpx2.HTTPError)

Status = dict[str, Any]


class GoldenMachine:
    """Brings every template to Ready."""

    def __init__(self, client: AsyncClient, templates: Informer, service: AsyncReflectedService) -> None:
        self._client = client
        self._templates = templates
        self._actors = Actors(service, CALL_TIMEOUT)
        self.queue: WorkQueue[Key] = WorkQueue(longest_backoff=LONGEST_BACKOFF)
        templates.listen(self._changed)

    async def run(self) -> None:
        """One template at a time, until cancelled."""
        await self.queue.work(self._reconcile, EXPECTED)

    def _changed(self, before: Object | None, after: Object | None) -> None:
        found = after or before
        if found is not None:
            self.queue.add(key_of(found))

    async def _reconcile(self, key: Key) -> float | None:
        template = self._templates.get(*key)
        if template is None or "deletionTimestamp" in template["metadata"]:
            return None
        status = dict(template.get("status") or {})
        match status.get("phase") or "":
            case "":
                await self._create(template)
            case "ResumeGoldenActor":
                await self._boot(template, status)
            case "WaitGoldenActor":
                return await self._save(template, status)
        return None

    async def _create(self, template: Object) -> None:
        golden_id = str(uuid.uuid4())
        await self._actors.create(GOLDEN_ATESPACE, golden_id, *key_of(template))
        await self._write(template, {"phase": "ResumeGoldenActor", "goldenActorID": golden_id})

    async def _boot(self, template: Object, status: Status) -> None:
        await self._actors.resume(GOLDEN_ATESPACE, status["goldenActorID"])
        at = _now() + datetime.timedelta(seconds=warm_up(template["spec"]))
        await self._write(template, {"phase": "WaitGoldenActor", "takeGoldenSnapshotAt": _text(at)})

    async def _save(self, template: Object, status: Status) -> float | None:
        left = (datetime.datetime.fromisoformat(status["takeGoldenSnapshotAt"]) - _now()).total_seconds()
        if left > 0:
            return left
        golden = await self._actors.suspend(GOLDEN_ATESPACE, status["goldenActorID"])
        ready = {
            "type": "Ready",
            "status": "True",
            "reason": "Ready",
            "message": "Actor template is ready for use",
            "lastTransitionTime": _text(_now()),
        }
        await self._write(
            template, {"phase": "Ready", "goldenSnapshot": golden.snapshot, "conditions": [ready]}
        )
        return None

    async def _write(self, template: Object, status: Status) -> None:
        """Change the status of the template as it was read. Raises ApiError 409 if it was changed since."""
        metadata = template["metadata"]
        await self._client.patch(
            ActorTemplate.Status,
            metadata["name"],
            {"metadata": {"resourceVersion": metadata["resourceVersion"]}, "status": status},
            namespace=metadata["namespace"],
            patch_type=PatchType.MERGE,
        )
        _LOG.info("template", extra={"template": metadata["name"], **status})


def warm_up(spec: Mapping[str, Any]) -> float:
    """Seconds before the snapshot: none if every container has a readiness probe, which a resume awaits."""
    containers = spec.get("containers") or []
    return 0.0 if containers and all(container.get("readyz") for container in containers) else WARM_UP


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


def _text(at: datetime.datetime) -> str:
    """As Kubernetes writes times: whole seconds, so a warm-up takes up to a second less."""
    return at.isoformat(timespec="seconds").replace("+00:00", "Z")
