"""What the front watches: snapshots, classes, pools, and the Sandboxes and claims of its sessions."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from typing import Any

from lightkube import AsyncClient

from reference.informer import ALL_NAMESPACES, Informer, Informers, Key, key_of
from reference.objects import Object
from reference.snapstart.kinds import (
    SESSION_ID,
    Sandbox,
    SandboxClaim,
    SandboxSnapshot,
    SandboxWarmPool,
    SnapshotClass,
)


class Objects:
    """Objects as the API server last told, and waits for their next states."""

    def __init__(self, client: AsyncClient, namespaces: Sequence[str] = ()) -> None:
        """Snapshots and pools are those of some namespaces; an empty list of them means all."""
        scopes = namespaces or (ALL_NAMESPACES,)
        self._snapshots = [Informer(client, SandboxSnapshot, scope) for scope in scopes]
        self._classes = Informer(client, SnapshotClass)
        self._pools = [Informer(client, SandboxWarmPool, scope) for scope in scopes]
        ours = {SESSION_ID: None}
        self._started = {kind: Informer(client, kind, labels=ours) for kind in (Sandbox, SandboxClaim)}
        #: What keeps them up to date.
        self.informers = Informers(*self._snapshots, self._classes, *self._pools, *self._started.values())
        self._waits: dict[tuple[Any, Key], list[asyncio.Queue[Object | None]]] = {}
        for kind, informer in self._started.items():
            informer.listen(self._teller(kind))

    def snapshots(self, namespace: str) -> Iterable[Object]:
        """The snapshots of a namespace."""
        return [found for informer in self._snapshots for found in informer.list(namespace)]

    def snapshot_class(self, name: str) -> Object | None:
        """A class."""
        return self._classes.get("", name)

    def pools(self, namespace: str) -> Iterable[Object]:
        """The pools of a namespace."""
        return [found for informer in self._pools for found in informer.list(namespace)]

    @contextlib.asynccontextmanager
    async def states(self, kind: Any, key: Key) -> AsyncIterator[asyncio.Queue[Object | None]]:
        """All states of a Sandbox or claim of a session from now on, None for its deletion."""
        queue: asyncio.Queue[Object | None] = asyncio.Queue()
        waits = self._waits.setdefault((kind, key), [])
        waits.append(queue)
        try:
            yield queue
        finally:
            waits.remove(queue)
            if not waits:
                del self._waits[kind, key]

    def _teller(self, kind: Any) -> Callable[[Object | None, Object | None], None]:
        def told(before: Object | None, after: Object | None) -> None:
            found = after if after is not None else before
            assert found is not None
            for queue in self._waits.get((kind, key_of(found)), ()):
                queue.put_nowait(after)

        return told
