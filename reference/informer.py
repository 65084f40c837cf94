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
from lightkube.core.resource import GlobalResource, NamespacedResource

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
    """All objects of one kind in one namespace, or all, that carry certain labels and have certain fields.

    A kind of the whole cluster has no namespaces; the namespace of its objects is "".
    """

    def __init__(
        self,
        client: AsyncClient,
        kind: type[NamespacedResource] | type[GlobalResource],
        namespace: str = ALL_NAMESPACES,
        labels: Mapping[str, Any] | None = None,
        fields: Mapping[str, str] | None = None,
    ) -> None:
        self._client = client
        self._kind: Any = kind
        self._scope: Any = {"namespace": namespace} if issubclass(kind, NamespacedResource) else {}
        self._labels = dict(labels) if labels else None
        self._fields: Any = dict(fields) if fields else None
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
        listed: Any = self._client.list(self._kind, labels=self._labels, fields=self._fields, **self._scope)
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
            labels=self._labels,
            fields=self._fields,
            resource_version=version,
            server_timeout=_WATCH_SECONDS,
            **self._scope,
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


class Informers:
    """Informers that run together, and are synced when each of them is."""

    def __init__(self, *members: Informer) -> None:
        """Begin with these."""
        self._members = list(members)

    def add(self, informer: Informer, listener: Listener | None = None) -> Informer:
        """Take one more, with a listener of its own; returns it."""
        if listener is not None:
            informer.listen(listener)
        self._members.append(informer)
        return informer

    @property
    def synced(self) -> bool:
        """Whether everything has been listed once."""
        return all(informer.synced.is_set() for informer in self._members)

    async def until_synced(self) -> None:
        """Return when everything has been listed once."""
        for informer in self._members:
            await informer.synced.wait()

    async def run(self) -> None:
        """List and watch until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for informer in self._members:
                tasks.create_task(informer.run())


def _version(found: Object) -> Any:
    return found["metadata"].get("resourceVersion")


async def _as_json(listed: Any) -> Any:
    async for item in listed:
        yield item.to_dict()
