"""Informers: all objects of one kind as the API server last told, kept by list and watch, with listeners.

Objects are plain JSON dictionaries and must not be changed. A listener is called on the event loop with the
object before and after (None: there was, or is, none), for every change and once for each object of the first
list; what happened while a watch was interrupted is found by comparing the new list with what was known.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

import httpx2
from lightkube import ApiError, AsyncClient
from lightkube.core.resource import NamespacedResource

_LOG = logging.getLogger(__name__)

Object: TypeAlias = Mapping[str, Any]
#: Namespace and name.
Key: TypeAlias = tuple[str, str]
Listener: TypeAlias = Callable[[Object | None, Object | None], None]

ALL_NAMESPACES: Final = "*"

#: Seconds before a failed list or watch is tried again: the first time, and at most.
_FIRST_PAUSE: Final = 0.05
_LONGEST_PAUSE: Final = 2.0
#: Seconds after which the server ends a watch, so that a connection that died silently is noticed.
_WATCH_SECONDS: Final = 300


def key_of(found: Object) -> Key:
    """Namespace and name of an object."""
    return found["metadata"].get("namespace", ""), found["metadata"]["name"]


class Informer:
    """All objects of one kind in one namespace, or all, that carry certain labels."""

    def __init__(
        self,
        client: AsyncClient,
        kind: type[NamespacedResource],
        namespace: str = ALL_NAMESPACES,
        labels: Mapping[str, Any] | None = None,
    ) -> None:
        self._client = client
        self._kind = kind
        self._namespace = namespace
        self._labels = dict(labels) if labels else None
        self._objects: dict[Key, Object] = {}
        self._listeners: list[Listener] = []
        self.synced = asyncio.Event()

    def get(self, namespace: str, name: str) -> Object | None:
        """One object, None if there is none."""
        return self._objects.get((namespace, name))

    def list(self, namespace: str | None = None) -> list[Object]:
        """The objects of one namespace, or all, in no particular order."""
        return [found for (where, _), found in self._objects.items() if namespace in (None, where)]

    def listen(self, listener: Listener) -> None:
        """Call `listener(before, after)` for every change from now on."""
        self._listeners.append(listener)

    async def run(self) -> None:
        """List and watch until cancelled; after a failure from a fresh list on."""
        pause = _FIRST_PAUSE
        while True:
            try:
                version = await self._relist()
                pause = _FIRST_PAUSE
                await self._watch(version)
            except (ApiError, httpx2.HTTPError) as err:
                _LOG.warning("watch interrupted", extra={"kind": self._kind.__name__, "error": repr(err)})
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    async def _relist(self) -> str:
        listed = self._client.list(self._kind, namespace=self._namespace, labels=self._labels)
        current = {key_of(found): found async for found in _as_json(listed)}
        for key in self._objects.keys() - current.keys():
            self._replace(key, None)
        for key, found in current.items():
            self._replace(key, found)
        self.synced.set()
        return str(listed.resourceVersion)

    async def _watch(self, version: str) -> None:
        events: Any = self._client.watch(
            self._kind,
            namespace=self._namespace,
            labels=self._labels,
            resource_version=version,
            server_timeout=_WATCH_SECONDS,
        )
        async for kind, found in events:
            after = found.to_dict()
            self._replace(key_of(after), None if kind == "DELETED" else after)

    def _replace(self, key: Key, after: Object | None) -> None:
        before = self._objects.get(key)
        if after is None:
            self._objects.pop(key, None)
        else:
            self._objects[key] = after
        if before is None and after is None:
            return
        if before is not None and after is not None and _version(before) == _version(after):
            return
        for listener in self._listeners:
            listener(before, after)


def _version(found: Object) -> Any:
    return found["metadata"].get("resourceVersion")


async def _as_json(listed: Any) -> Any:
    async for item in listed:
        yield item.to_dict()
