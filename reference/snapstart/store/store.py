"""What a store does, whatever it keeps its records in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


class StoreError(Exception):
    """The store did not answer; nothing is known about what it holds."""


class Conflict(Exception):  # noqa: N818  reads as what happened
    """The record is no longer what the writer took it for."""


@dataclass(frozen=True)
class Stored:
    """A record as it was read; `version` grows with every write of its key."""

    text: str
    version: int


class Store(Protocol):
    """Every call raises StoreError where the store cannot answer."""

    async def get(self, key: str) -> Stored | None:
        """One record, None if there is none."""
        ...

    async def keys(self, prefix: str) -> list[str]:
        """All keys that begin with `prefix`, sorted."""
        ...

    async def put(self, key: str, text: str, version: int | None) -> int:
        """Write a record that is at `version` (None: does not exist). Its new version.

        Raises Conflict if it is not.
        """
        ...

    async def delete(self, key: str, version: int | None) -> None:
        """Delete a record that is at `version` (None: whatever it is at). Success if there is none.

        Raises Conflict if it is at another version.
        """
        ...

    async def close(self) -> None:
        """Close the store."""
        ...
