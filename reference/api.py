"""The API server as controllers use it: plain JSON objects, guarded writes, deletion by UID.

Every call raises lightkube.ApiError where the server refuses and httpx2.HTTPError where it cannot be
reached; the first is a kind of the second. What the controller decides on is read here, not from a watch's
memory.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import httpx2
from lightkube import ApiError, AsyncClient, KubeConfig
from lightkube.config import client_adapter
from lightkube.core.resource import NamespacedResource, api_info
from lightkube.generic_resource import (
    GenericGlobalResource,
    GenericNamespacedResource,
    create_global_resource,
    create_namespaced_resource,
)
from lightkube.types import PatchType

from reference.objects import Object, name_of, namespace_of, uid_of, version_of

CustomResourceDefinition = create_global_resource(
    "apiextensions.k8s.io", "v1", "CustomResourceDefinition", "customresourcedefinitions"
)
# Here, because lightkube refuses to make a kind of the core group twice.
Event = create_namespaced_resource("", "v1", "Event", "events")
Secret = create_namespaced_resource("", "v1", "Secret", "secrets")
ConfigMap = create_namespaced_resource("", "v1", "ConfigMap", "configmaps")

#: A kind of namespaced objects, or of objects of the whole cluster, whose namespace is "".
Kind = type[GenericNamespacedResource] | type[GenericGlobalResource]


def status_of(err: httpx2.HTTPError) -> int:
    """The HTTP status of a refusal, 0 where there was no answer."""
    return err.response.status_code if isinstance(err, httpx2.HTTPStatusError) else 0


class Api:
    """Requests to one API server."""

    def __init__(self, client: AsyncClient, http: httpx2.AsyncClient) -> None:
        self.client = client
        self._http = http

    @classmethod
    def connect(cls, kubeconfig: Path, manager: str) -> Self:
        """By the current context of a kubeconfig file, writing as `manager`. Raises lightkube.ConfigError."""
        config = KubeConfig.from_file(kubeconfig)
        # The loopback of a test cluster and an API server's own address are never behind a proxy.
        client = AsyncClient(config, trust_env=False, field_manager=manager)
        return cls(
            client,
            client_adapter.AsyncClient(client.config, client_adapter.ConnectionParams(trust_env=False)),
        )

    async def close(self) -> None:
        """Close all connections."""
        await self.client.close()
        await self._http.aclose()

    async def get(self, kind: Kind, namespace: str, name: str) -> Object | None:
        """One object, None if there is none."""
        try:
            return _plain(await self.client.get(kind, name, **_place(kind, namespace)))
        except ApiError as err:
            if status_of(err) == 404:
                return None
            raise

    async def list(
        self, kind: Kind, namespace: str, labels: Mapping[str, str | None] | None = None
    ) -> list[Object]:
        """The objects of a namespace that carry these labels, each with any value where None is given."""
        # Items of a list come without what says their kind.
        resource = api_info(kind).resource
        kinds = {"apiVersion": resource.api_version, "kind": resource.kind}
        listed: Any = self.client.list(kind, labels=dict(labels or {}), **_place(kind, namespace))
        return [{**kinds, **_plain(found)} async for found in listed]

    async def schema(self, crd: str, version: str) -> Object:
        """The schema of one version of a custom kind."""
        found = _plain(await self.client.get(CustomResourceDefinition, crd))
        schemas = {v["name"]: v["schema"]["openAPIV3Schema"] for v in found["spec"]["versions"]}
        schema: Object = schemas[version]
        return schema

    async def create(self, kind: Kind, body: Mapping[str, Any]) -> Object:
        """Create an object."""
        made: Any = kind.from_dict(dict(body))
        return _plain(await self.client.create(made))

    async def patch(self, kind: Kind, found: Object, patch: Mapping[str, Any]) -> Object:
        """Merge `patch` into an object, if it still is as `found` says (else ApiError 409)."""
        return await self._patch(kind, found, patch)

    async def patch_status(self, kind: Kind, found: Object, status: Mapping[str, Any]) -> Object:
        """Merge `status` into the object's status, if it still is as `found` says (else ApiError 409)."""
        return await self._patch(kind.Status, found, {"status": status})

    async def _patch(self, kind: Any, found: Object, patch: Mapping[str, Any]) -> Object:
        guard = {"resourceVersion": version_of(found), "uid": uid_of(found)}
        guarded = {**patch, "metadata": {**patch.get("metadata", {}), **guard}}
        place = _place(kind, namespace_of(found))
        return _plain(
            await self.client.patch(kind, name_of(found), guarded, patch_type=PatchType.MERGE, **place)
        )

    async def delete(self, kind: Kind, found: Object, grace: int | None = None) -> None:
        """Delete this very object, by its UID; it is a success if it is gone, or another has its name.

        `grace` in seconds; None leaves it to the server.
        """
        await self._delete(kind, found, {}, {} if grace is None else {"gracePeriodSeconds": grace})

    async def delete_unchanged(self, kind: Kind, found: Object) -> bool:
        """Delete an object if it still is as `found` says; False if it is not, or another has its name."""
        reply = await self._delete(kind, found, {"resourceVersion": version_of(found)}, {})
        return reply.status_code != 409

    async def _delete(
        self, kind: Kind, found: Object, guard: Mapping[str, str], options: Mapping[str, Any]
    ) -> httpx2.Response:
        # lightkube's own delete takes no preconditions.
        info = api_info(kind)
        body = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "preconditions": {"uid": uid_of(found), **guard},
            **options,
        }
        prefix = f"apis/{info.resource.group}" if info.resource.group else "api"
        place = f"namespaces/{namespace_of(found)}/" if _place(kind, namespace_of(found)) else ""
        path = f"{prefix}/{info.resource.version}/{place}{info.plural}/{name_of(found)}"
        reply = await self._http.request("DELETE", path, json=body)
        if reply.status_code not in (404, 409):
            reply.raise_for_status()
        return reply


def _place(kind: Any, namespace: str) -> dict[str, Any]:
    """Where objects of a kind are, as an argument for lightkube."""
    return {"namespace": namespace} if issubclass(kind, NamespacedResource) else {}


def _plain(found: Any) -> Object:
    plain: Object = found.to_dict()
    return plain
