"""ConfigMaps and Secrets, read when a Pod starts: what a session gets is as fresh restored as cold."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping

from reference.api import Api, ConfigMap, Secret
from reference.snapstart.node.environment import Source, text_of

_KINDS = {"ConfigMap": ConfigMap, "Secret": Secret}


class Inputs:
    """Reads them, each time anew."""

    def __init__(self, api: Api) -> None:
        self._api = api

    async def read(self, namespace: str, wanted: Iterable[Source]) -> dict[Source, Mapping[str, str] | None]:
        """What each source holds, None for one that is not there. Raises httpx2.HTTPError."""
        ordered = list(wanted)
        found = await asyncio.gather(*(self._api.get(_KINDS[s.kind], namespace, s.name) for s in ordered))
        return {
            source: None if one is None else text_of({"kind": source.kind, **one})
            for source, one in zip(ordered, found, strict=True)
        }
