"""Refills of pools by restore (SS-W3): what a pool makes gets the key of its template's snapshot.

The API server asks before it makes a pool's Sandbox, so the Pod has the key from its creation on, and the
template, with which pools compare their members, stays as it is. Without a snapshot that can be used, and
whatever else is wrong, the member starts cold.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Any, Final

import httpx2
from aiohttp import web

from reference.admission import Verdict, answer
from reference.api import Api
from reference.objects import Object
from reference.snapstart.front.lookup import Intent, Lookup
from reference.snapstart.hashing import pod_spec
from reference.snapstart.kinds import SNAPSHOT_KEY, SandboxTemplate, SandboxWarmPool

_LOG = logging.getLogger(__name__)

PATH: Final = "/refill"
#: Seconds after which a member is made without a key; the API server waits meanwhile.
LIMIT: Final = 1.0


class Refills:
    """Answers AdmissionReviews about new Sandboxes."""

    def __init__(self, api: Api, lookup: Lookup) -> None:
        self._api = api
        self._lookup = lookup

    def application(self) -> web.Application:
        """What serves the API server."""
        application = web.Application()
        application.router.add_post(PATH, self._handle)
        return application

    async def _handle(self, request: web.Request) -> web.Response:
        return await answer(request, self.judge)

    async def judge(self, asked: Mapping[str, Any]) -> Verdict:
        """The patch of a new Sandbox: none for those that no pool makes."""
        sandbox: Object = asked["object"]
        pool = pool_of(sandbox)
        if pool is None:
            return Verdict()
        try:
            async with asyncio.timeout(LIMIT):
                intent = await self.intent(asked["namespace"], pool, sandbox)
        except (TimeoutError, httpx2.HTTPError) as err:
            intent = Intent(None, repr(err))
        _LOG.info("a pool makes a member", extra={"pool": pool, "key": intent.key, "why": intent.why})
        return self.verdict(sandbox, intent.key)

    async def intent(self, namespace: str, pool: str, sandbox: Object) -> Intent:
        """The key of a member that a pool makes. Raises httpx2.HTTPError."""
        found = await self._api.get(SandboxWarmPool, namespace, pool)
        if found is None:
            return Intent(None, "the pool is gone")
        name = found["spec"]["sandboxTemplateRef"]["name"]
        template = await self._api.get(SandboxTemplate, namespace, name)
        if template is None:
            return Intent(None, "the template is gone")
        # The pool may have read the template before its last change.
        if filled(pod_spec(template)["containers"]) != filled(pod_spec(sandbox)["containers"]):
            return Intent(None, "the member is not of the template as it is now")
        return await self._lookup.intent(template, await self._lookup.candidates(namespace, name))

    def verdict(self, sandbox: Object, key: str | None) -> Verdict:
        """Give a member this key and no other: one that its template brings along is nobody's (SS-A6)."""
        metadata = sandbox["spec"]["podTemplate"].get("metadata") or {}
        before = metadata.get("annotations") or {}
        after = {name: value for name, value in before.items() if name != SNAPSHOT_KEY}
        if key is not None:
            after[SNAPSHOT_KEY] = key
        if after == before:
            return Verdict()
        changed = {**metadata, "annotations": after}
        return Verdict(patch=[{"op": "add", "path": "/spec/podTemplate/metadata", "value": changed}])


def filled(value: Any) -> Any:
    """JSON without empty fields: the controller of pools writes some that no template has."""
    if isinstance(value, dict):
        return {
            name: left for name, field in value.items() if (left := filled(field)) not in ({}, [], None, "")
        }
    return [filled(element) for element in value] if isinstance(value, list) else value


def pool_of(sandbox: Object) -> str | None:
    """The name of the pool that makes a Sandbox, None if none does."""
    for owner in sandbox["metadata"].get("ownerReferences") or ():
        if owner["kind"] == "SandboxWarmPool" and owner.get("controller"):
            return str(owner["name"])
    return None
