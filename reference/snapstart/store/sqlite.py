"""A store in one SQLite file, shared by processes of one host: one writes, any number read."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, TypeVar

from reference.snapstart.store.store import Conflict, Stored, StoreError

T = TypeVar("T")

#: Seconds that a call waits for another process's write.
_BUSY_SECONDS: Final = 2.0

#: Versions come from one sequence, so that a record that was deleted and made again has none of the old ones.
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS records (key TEXT PRIMARY KEY, text TEXT NOT NULL, version INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS sequence (only INTEGER PRIMARY KEY CHECK (only = 1), version INTEGER NOT NULL);
INSERT OR IGNORE INTO sequence VALUES (1, 0);
"""


class SqliteStore:
    """A store in the file `path`; `writable` creates it where it is missing.

    A reader may start before the writer and outlive the file: each call finds the file as it is then.
    """

    def __init__(self, path: Path, *, writable: bool) -> None:
        self._path = path
        self._writable = writable
        self._connection: sqlite3.Connection | None = None
        self._file: tuple[int, int] | None = None
        # SQLite calls block, and all of one connection have to come one after the other.
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="store")

    async def get(self, key: str) -> Stored | None:
        """One record, None if there is none."""

        def read(connection: sqlite3.Connection) -> Stored | None:
            row = connection.execute("SELECT text, version FROM records WHERE key = ?", (key,)).fetchone()
            return None if row is None else Stored(*row)

        return await self._call(read)

    async def keys(self, prefix: str) -> list[str]:
        """All keys that begin with `prefix`, sorted."""

        def read(connection: sqlite3.Connection) -> list[str]:
            rows = connection.execute(
                "SELECT key FROM records WHERE substr(key, 1, ?) = ? ORDER BY key", (len(prefix), prefix)
            )
            return [str(key) for (key,) in rows]

        return await self._call(read)

    async def put(self, key: str, text: str, version: int | None) -> int:
        """Write a record that is at `version` (None: does not exist). Its new version."""

        def write(connection: sqlite3.Connection) -> int:
            with _transaction(connection):
                _check(connection, key, version)
                new = _next_version(connection)
                connection.execute("INSERT OR REPLACE INTO records VALUES (?, ?, ?)", (key, text, new))
            return new

        return await self._call(write)

    async def delete(self, key: str, version: int | None) -> None:
        """Delete a record that is at `version` (None: whatever it is at)."""

        def write(connection: sqlite3.Connection) -> None:
            with _transaction(connection):
                if version is not None and _version(connection, key) is not None:
                    _check(connection, key, version)
                connection.execute("DELETE FROM records WHERE key = ?", (key,))

        await self._call(write)

    async def close(self) -> None:
        """Close the file."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._disconnect)
        self._thread.shutdown(wait=False)

    async def _call(self, act: Callable[[sqlite3.Connection], T]) -> T:
        def call() -> T:
            try:
                return act(self._connected())
            except (sqlite3.Error, OSError) as err:
                self._disconnect()
                raise StoreError(f"{self._path}: {err}") from err

        return await asyncio.get_running_loop().run_in_executor(self._thread, call)

    def _connected(self) -> sqlite3.Connection:
        if self._connection is not None and self._file == self._identity():
            return self._connection
        self._disconnect()
        if self._writable:
            connection = self._connect(f"{self._path.absolute().as_uri()}?mode=rwc")
            connection.execute("PRAGMA journal_mode=WAL")
            connection.executescript(_SCHEMA)
        else:
            connection = self._connect(f"{self._path.absolute().as_uri()}?mode=ro")
        self._connection, self._file = connection, self._identity()
        return connection

    def _connect(self, uri: str) -> sqlite3.Connection:
        return sqlite3.connect(
            uri, uri=True, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _identity(self) -> tuple[int, int] | None:
        """Which file is there now: one that was removed is still readable through an old connection."""
        try:
            found = self._path.stat()
        except FileNotFoundError:
            return None
        return found.st_dev, found.st_ino


@contextlib.contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        # SQLite has done that already where the disk is full.
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def _version(connection: sqlite3.Connection, key: str) -> int | None:
    row = connection.execute("SELECT version FROM records WHERE key = ?", (key,)).fetchone()
    return None if row is None else int(row[0])


def _check(connection: sqlite3.Connection, key: str, version: int | None) -> None:
    found = _version(connection, key)
    if found != version:
        raise Conflict(f"{key} is at version {found}, not {version}")


def _next_version(connection: sqlite3.Connection) -> int:
    (version,) = connection.execute("UPDATE sequence SET version = version + 1 RETURNING version").fetchone()
    return int(version)
