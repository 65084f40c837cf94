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
from dataclasses import dataclass
from typing import Any, Final

import grpc
import grpc.aio
import httpx2
from lightkube import ApiError, AsyncClient
from lightkube.types import PatchType

from reference.rollout.informer import Informer, Key, Object, key_of
from reference.rollout.kinds import ActorTemplate
from reference.rollout.reflection import AsyncReflectedService, ReflectionError
from reference.rollout.substrate.model import GOLDEN_ATESPACE
from reference.rollout.workqueue import WorkQueue

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


@dataclass(frozen=True)
class Golden:
    """The golden actor, by the calls that the machine makes. Raises grpc.RpcError, ReflectionError."""

    service: AsyncReflectedService

    async def create(self, golden_id: str, template: Key) -> None:
        """CreateActor, and its atespace first where there are atespaces."""
        named = await self._named(golden_id)
        if "actor_ref" in named:
            await self._ensure_atespace()
        await self._call(
            "CreateActor",
            {**named, "actor_template_namespace": template[0], "actor_template_name": template[1]},
        )

    async def resume(self, golden_id: str) -> None:
        """ResumeActor: a cold boot, for there is no snapshot yet."""
        await self._call("ResumeActor", await self._named(golden_id))

    async def suspend(self, golden_id: str) -> str:
        """SuspendActor; the snapshot that it left."""
        actor = (await self._call("SuspendActor", await self._named(golden_id)))["actor"]
        if "last_snapshot" in actor:
            return str(actor["last_snapshot"])
        return str(actor["latest_snapshot_info"]["external"]["snapshot_uri_prefix"])

    async def _named(self, golden_id: str) -> dict[str, Any]:
        schema = await self.service.schema(timeout=CALL_TIMEOUT)
        if "actor_id" in schema.fields("GetActorRequest"):
            return {"actor_id": golden_id}
        return {"actor_ref": {"atespace": GOLDEN_ATESPACE, "name": golden_id}}

    async def _ensure_atespace(self) -> None:
        try:
            await self._call("CreateAtespace", {"name": GOLDEN_ATESPACE})
        except grpc.aio.AioRpcError as err:
            if err.code() is not grpc.StatusCode.ALREADY_EXISTS:
                raise

    async def _call(self, method: str, request: Mapping[str, Any]) -> dict[str, Any]:
        return await self.service.call(method, request, timeout=CALL_TIMEOUT)


class GoldenMachine:
    """Brings every template to Ready."""

    def __init__(self, client: AsyncClient, templates: Informer, service: AsyncReflectedService) -> None:
        self._client = client
        self._templates = templates
        self._golden = Golden(service)
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
                return await self._create(template)
            case "ResumeGoldenActor":
                return await self._boot(template, status)
            case "WaitGoldenActor":
                return await self._save(template, status)
        return None

    async def _create(self, template: Object) -> None:
        golden_id = str(uuid.uuid4())
        await self._golden.create(golden_id, key_of(template))
        await self._write(template, {"phase": "ResumeGoldenActor", "goldenActorID": golden_id})

    async def _boot(self, template: Object, status: Status) -> None:
        await self._golden.resume(status["goldenActorID"])
        at = _now() + datetime.timedelta(seconds=warm_up(template["spec"]))
        await self._write(template, {"phase": "WaitGoldenActor", "takeGoldenSnapshotAt": _text(at)})

    async def _save(self, template: Object, status: Status) -> float | None:
        left = (datetime.datetime.fromisoformat(status["takeGoldenSnapshotAt"]) - _now()).total_seconds()
        if left > 0:
            return left
        snapshot = await self._golden.suspend(status["goldenActorID"])
        ready = {
            "type": "Ready",
            "status": "True",
            "reason": "Ready",
            "message": "Actor template is ready for use",
            "lastTransitionTime": _text(_now()),
        }
        await self._write(template, {"phase": "Ready", "goldenSnapshot": snapshot, "conditions": [ready]})
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
