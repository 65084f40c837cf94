"""A store that is down, slow or corrupt for some of its keys, as a file says.

The file holds a JSON object; where it is missing, nothing is disturbed:

    {"fault": "down" | "slow" | "corrupt", "prefix": "snapshot:", "seconds": 0.5}

It is read at every call, so whoever writes it (into another file first, then moved into place) switches the
fault on and off. `prefix` (default: "snapshot:") says which keys suffer, `seconds` how slow is.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from reference.snapstart.records import STORE_PREFIX
from reference.snapstart.store.store import Store, Stored, StoreError

FAULTS: Final = ("down", "slow", "corrupt")


@dataclass(frozen=True)
class Fault:
    """What is wrong with the store."""

    name: str
    prefix: str = STORE_PREFIX
    seconds: float = 0.5

    def __post_init__(self) -> None:
        if self.name not in FAULTS:
            raise ValueError(f"unknown fault {self.name!r}; there are {', '.join(FAULTS)}")


def read_fault(path: Path) -> Fault | None:
    """The fault that a file asks for, None if there is no file. Raises ValueError if it cannot be read."""
    try:
        found = json.loads(path.read_text())
    except FileNotFoundError:
        return None
    return Fault(found["fault"], found.get("prefix", STORE_PREFIX), float(found.get("seconds", 0.5)))


class FaultyStore:
    """Another store, disturbed as the file at `path` says."""

    def __init__(self, store: Store, path: Path) -> None:
        self._store = store
        self._path = path

    async def get(self, key: str) -> Stored | None:
        """One record; where the store is corrupt only the first half of its text."""
        fault = await self._suffer(key)
        found = await self._store.get(key)
        if fault is not None and fault.name == "corrupt" and found is not None:
            return Stored(found.text[: len(found.text) // 2], found.version)
        return found

    async def keys(self, prefix: str) -> list[str]:
        """All keys that begin with `prefix`."""
        await self._suffer(prefix)
        return await self._store.keys(prefix)

    async def put(self, key: str, text: str, version: int | None) -> int:
        """Write a record."""
        await self._suffer(key)
        return await self._store.put(key, text, version)

    async def delete(self, key: str, version: int | None) -> None:
        """Delete a record."""
        await self._suffer(key)
        await self._store.delete(key, version)

    async def close(self) -> None:
        """Close the store."""
        await self._store.close()

    async def _suffer(self, key: str) -> Fault | None:
        """Wait or fail as the fault says; the fault, if the key has one."""
        fault = read_fault(self._path)
        if fault is None or not key.startswith(fault.prefix):
            return None
        if fault.name == "down":
            raise StoreError(f"{self._path} says that the store is down")
        if fault.name == "slow":
            await asyncio.sleep(fault.seconds)
        return fault
