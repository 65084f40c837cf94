"""The validating webhook: what can never be built is refused when it is written (SS-A2, SS-A3)."""

from __future__ import annotations

import json
import logging
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Protocol

from aiohttp import web

from reference.objects import Object
from reference.snapstart.controller.facts import refusals
from reference.snapstart.kinds import SnapshotClass

_LOG = logging.getLogger(__name__)

PATH: Final = "/validate"


class Reader(Protocol):
    """The part of `reference.api.Api` that the webhook needs."""

    async def get(self, kind: Any, namespace: str, name: str) -> Object | None:
        """One object, None if there is none."""
        ...


class Webhook:
    """Answers AdmissionReviews (admission.k8s.io/v1) about SandboxSnapshots."""

    def __init__(self, api: Reader) -> None:
        self._api = api

    def application(self) -> web.Application:
        """What serves the API server."""
        application = web.Application()
        application.router.add_post(PATH, self._handle)
        return application

    async def _handle(self, request: web.Request) -> web.Response:
        try:
            review = json.loads(await request.read())
            asked = review["request"]
            uid = str(asked["uid"])
        except (ValueError, KeyError, TypeError) as err:
            return web.Response(status=400, text=f"no AdmissionReview: {err!r}\n")
        found = await self.complaints(asked)
        response: dict[str, Any] = {"uid": uid, "allowed": not found}
        if found:
            response["status"] = {"code": 422, "reason": "Invalid", "message": "; ".join(found)}
            _LOG.info("snapshot refused", extra={"snapshot": asked.get("name"), "why": found})
        return web.json_response(
            {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response}
        )

    async def complaints(self, asked: Mapping[str, Any]) -> list[str]:
        """What is wrong with the snapshot of an admission request.

        A write that leaves the spec as it is passes, or a snapshot that became wrong could never be deleted.
        """
        snapshot, before = asked["object"], asked.get("oldObject")
        if before is not None and before["spec"] == snapshot["spec"]:
            return []
        name = snapshot["spec"]["snapshotClassName"]
        return self.refusals(snapshot, await self._api.get(SnapshotClass, "", name))

    def refusals(self, snapshot: Object, snapshot_class: Object | None) -> list[str]:
        """What is wrong with a snapshot, given its class; a class that does not exist yet is no reason."""
        return refusals(snapshot, snapshot_class)


def tls(certificate: Path, key: Path) -> ssl.SSLContext:
    """A server's TLS context. Raises OSError, also where the files hold no certificate and key."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context
