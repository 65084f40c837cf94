"""Request leases: taken before an actor is created, kept while requests go on (contract 5.1, step 2)."""

from __future__ import annotations

import asyncio
import datetime
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import httpx2
from lightkube import ApiError, AsyncClient
from lightkube.generic_resource import create_namespaced_resource

from reference.rollout.kinds import ActorTemplate
from reference.rollout.leases import DURATION, TEMPLATE_LABEL, holders, lease, lease_name
from reference.rollout.roles import Template, is_going

_LOG = logging.getLogger(__name__)

LEASE: Any = create_namespaced_resource("coordination.k8s.io", "v1", "Lease", "leases")

#: Seconds after which a lease in use is renewed, and after which a renewal no longer counts for new requests.
RENEWAL = DURATION / 3

#: Seconds that a lease outlives its last request: the next one then needs no write.
LINGER = 0.5


class TemplateRetired(Exception):  # noqa: N818  the caller resolves anew
    """The template is gone, terminating or marked: no request may begin on it."""


class _Held:
    """One lease, and how many requests it stands for."""

    def __init__(self) -> None:
        self.requests = 0
        self.written_at = float("-inf")
        self.lock = asyncio.Lock()
        self.keeper: asyncio.Task[None] | None = None


class RequestLeases:
    """The leases of one gateway, `holder` by name."""

    def __init__(self, client: AsyncClient, holder: str) -> None:
        self._client = client
        self._holder = holder
        self._held: dict[tuple[str, str], _Held] = {}

    @asynccontextmanager
    async def on(self, template: Template) -> AsyncIterator[None]:
        """Hold the template for one request.

        Raises TemplateRetired; ApiError, HTTPError where the API server does not say.
        """
        namespace, name = template["metadata"]["namespace"], template["metadata"]["name"]
        held = self._held.setdefault((namespace, name), _Held())
        held.requests += 1
        try:
            async with held.lock:
                if asyncio.get_running_loop().time() - held.written_at >= RENEWAL:
                    await self._begin(held, template)
                if held.keeper is None or held.keeper.done():
                    held.keeper = asyncio.create_task(self._keep(held, namespace, name))
            yield
        finally:
            held.requests -= 1

    async def held_by_others(self, template: Template) -> bool:
        """Whether another gateway has requests on the template; a lease of this one's name is its own."""
        namespace, name = template["metadata"]["namespace"], template["metadata"]["name"]
        listed = self._client.list(LEASE, namespace=namespace, labels={TEMPLATE_LABEL: name})
        found = [item.to_dict() async for item in listed]
        return bool(set(holders(found, name, datetime.datetime.now(datetime.UTC))) - {self._holder})

    async def _begin(self, held: _Held, template: Template) -> None:
        """Write, then read. Raises TemplateRetired; the lease is given back then, unless others need it."""
        namespace, name = template["metadata"]["namespace"], template["metadata"]["name"]
        await self._write(held, namespace, name)
        try:
            await self._check(template)
        except BaseException:
            held.written_at = float("-inf")
            if held.requests == 1:
                await self._delete(namespace, lease_name(self._holder, name))
            raise

    async def _write(self, held: _Held, namespace: str, name: str) -> None:
        before = asyncio.get_running_loop().time()
        wanted = lease(self._holder, namespace, name, datetime.datetime.now(datetime.UTC))
        await self._client.apply(
            LEASE(wanted),
            lease_name(self._holder, name),
            namespace=namespace,
            field_manager="gateway",
            force=True,
        )
        held.written_at = before

    async def _check(self, template: Template) -> None:
        """Read the template after the lease was written. Raises TemplateRetired."""
        metadata = template["metadata"]
        try:
            found = await self._client.get(ActorTemplate, metadata["name"], namespace=metadata["namespace"])
        except ApiError as err:
            if err.status.code == 404:
                raise TemplateRetired(metadata["name"]) from err
            raise
        if is_going(found) or found["metadata"]["uid"] != metadata["uid"]:
            raise TemplateRetired(metadata["name"])

    async def _keep(self, held: _Held, namespace: str, name: str) -> None:
        """Renew while there are requests; delete when there has been none for a while."""
        idle_since: float | None = None
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(LINGER / 2)
            idle_since = None if held.requests else idle_since or loop.time()
            try:
                async with held.lock:
                    age = loop.time() - held.written_at
                    if held.requests and age >= RENEWAL:
                        await self._write(held, namespace, name)
                        if age >= DURATION:
                            # It had expired: requests that begin now must look at the template again.
                            held.written_at = float("-inf")
                    if not held.requests and idle_since is not None and loop.time() - idle_since >= LINGER:
                        # First of all: whoever comes now has to write anew.
                        held.written_at = float("-inf")
                        held.keeper = None
                        await self._delete(namespace, lease_name(self._holder, name))
                        return
            except (ApiError, httpx2.HTTPError) as err:
                # It expires by itself; requests that begin meanwhile find it too old and write.
                _LOG.warning("lease not kept", extra={"template": name, "error": str(err)})

    async def _delete(self, namespace: str, name: str) -> None:
        with suppress(ApiError):
            await self._client.delete(LEASE, name, namespace=namespace)
