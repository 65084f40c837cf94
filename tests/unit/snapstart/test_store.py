"""The artifact store: compare-and-set, processes beside each other, losses, and faults."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Callable, Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from fixtures.system.fulldisk import full_disk
from reference.snapstart.store.faults import Fault, FaultyStore
from reference.snapstart.store.sqlite import SqliteStore
from reference.snapstart.store.store import Conflict, Stored, StoreError

Body = Callable[[SqliteStore, SqliteStore], Coroutine[Any, Any, None]]


def with_stores(path: Path, body: Body) -> None:
    """Run a body with a writer and a reader of one file."""

    async def whole() -> None:
        writer, reader = SqliteStore(path, writable=True), SqliteStore(path, writable=False)
        try:
            await body(writer, reader)
        finally:
            await reader.close()
            await writer.close()

    asyncio.run(asyncio.wait_for(whole(), 20))


def test_compare_and_set(tmp_path: Path) -> None:
    """A write MUST succeed only on the version that its writer has seen."""

    async def body(writer: SqliteStore, reader: SqliteStore) -> None:
        first = await writer.put("snapshot:a", "one", None)
        with pytest.raises(Conflict):
            await writer.put("snapshot:a", "two", None)
        second = await writer.put("snapshot:a", "two", first)
        with pytest.raises(Conflict):
            await writer.put("snapshot:a", "three", first)
        with pytest.raises(Conflict):
            await writer.delete("snapshot:a", first)
        assert await reader.get("snapshot:a") == Stored("two", second)
        await writer.delete("snapshot:a", second)
        await writer.delete("snapshot:a", second)
        assert await reader.get("snapshot:a") is None

    with_stores(tmp_path / "store.db", body)


def test_version_of_a_key_made_again(tmp_path: Path) -> None:
    """A record that was deleted and made again MUST NOT have a version of the one before."""

    async def body(writer: SqliteStore, _reader: SqliteStore) -> None:
        first = await writer.put("a", "one", None)
        await writer.delete("a", None)
        again = await writer.put("a", "one", None)
        assert again != first
        with pytest.raises(Conflict):
            await writer.put("a", "two", first)

    with_stores(tmp_path / "store.db", body)


def test_one_of_many_writers_wins(tmp_path: Path) -> None:
    """Of several writers that have seen the same version exactly one MUST succeed."""

    async def body(writer: SqliteStore, _reader: SqliteStore) -> None:
        version = await writer.put("a", "0", None)
        others = [SqliteStore(tmp_path / "store.db", writable=True) for _ in range(4)]
        tries = [other.put("a", str(i), version) for i, other in enumerate(others)]
        done = await asyncio.gather(*tries, return_exceptions=True)
        for other in others:
            await other.close()
        assert sum(isinstance(result, int) for result in done) == 1
        assert sum(isinstance(result, Conflict) for result in done) == 3

    with_stores(tmp_path / "store.db", body)


def test_keys(tmp_path: Path) -> None:
    """Keys MUST be found by their beginning, taken literally."""

    async def body(writer: SqliteStore, reader: SqliteStore) -> None:
        for key in ("snapshot:b", "snapshot:a", "session:a", "snap%:a"):
            await writer.put(key, "", None)
        assert await reader.keys("snapshot:") == ["snapshot:a", "snapshot:b"]
        assert await reader.keys("snap%") == ["snap%:a"]

    with_stores(tmp_path / "store.db", body)


def test_reader_before_the_writer(tmp_path: Path) -> None:
    """A reader MUST fail while there is no file, and work once there is one."""

    async def body(writer: SqliteStore, reader: SqliteStore) -> None:
        with pytest.raises(StoreError):
            await reader.get("a")
        await writer.put("a", "one", None)
        found = await reader.get("a")
        assert found is not None and found.text == "one"

    with_stores(tmp_path / "store.db", body)


def test_lost_file(tmp_path: Path) -> None:
    """A store whose file is deleted MUST be empty for both, not show what it once held."""

    async def body(writer: SqliteStore, reader: SqliteStore) -> None:
        await writer.put("a", "one", None)
        assert await reader.get("a") is not None
        for path in tmp_path.iterdir():
            path.unlink()
        assert await writer.get("a") is None
        assert await reader.get("a") is None
        await writer.put("a", "two", None)
        found = await reader.get("a")
        assert found is not None and found.text == "two"

    with_stores(tmp_path / "store.db", body)


def test_file_that_is_no_database(tmp_path: Path) -> None:
    """A file that is no database MUST be a StoreError, for every call and without an end of the program."""
    (tmp_path / "store.db").write_bytes(b"garbage" * 1000)

    async def body(writer: SqliteStore, reader: SqliteStore) -> None:
        for store in (writer, reader):
            with pytest.raises(StoreError):
                await store.get("a")
        with pytest.raises(StoreError):
            await writer.put("a", "one", None)

    with_stores(tmp_path / "store.db", body)


def test_full_disk(tmp_path: Path) -> None:
    """On a full disk writes MUST be StoreErrors, and reads that or right; with room again both MUST work."""

    async def body(writer: SqliteStore, reader: SqliteStore) -> None:
        version = await writer.put("a", "one", None)
        with full_disk(psutil.Process()):
            with pytest.raises(StoreError):
                await writer.put("a", "two", version)
            with pytest.raises(StoreError):
                await writer.delete("a", version)
            for store in (writer, reader):
                with suppress(StoreError):
                    assert await store.get("a") == Stored("one", version)
        assert await reader.get("a") == Stored("one", version)
        await writer.put("a", "two", version)

    with_stores(tmp_path / "store.db", body)


def test_full_file_system(tmp_path: Path) -> None:
    """Where SQLite itself says that there is no room, the StoreError MUST say so, too."""

    class Small(SqliteStore):
        def _connect(self, uri: str) -> sqlite3.Connection:
            found = super()._connect(uri)
            found.execute("PRAGMA max_page_count = 8")
            return found

    async def body(writer: SqliteStore, _reader: SqliteStore) -> None:
        small = Small(tmp_path / "small.db", writable=True)
        with pytest.raises(StoreError, match="database or disk is full"):
            await small.put("a", "x" * 100_000, None)
        await small.put("a", "one", None)
        await small.close()

    with_stores(tmp_path / "store.db", body)


def test_writer_that_is_killed(tmp_path: Path) -> None:
    """A write that was begun and not committed MUST leave no trace."""

    async def body(writer: SqliteStore, reader: SqliteStore) -> None:
        await writer.put("a", "one", None)
        torn = sqlite3.connect(tmp_path / "store.db", isolation_level=None)
        torn.execute("BEGIN IMMEDIATE")
        torn.execute("UPDATE records SET text = 'torn'")
        torn.close()
        found = await reader.get("a")
        assert found is not None and found.text == "one"
        await writer.put("a", "two", found.version)

    with_stores(tmp_path / "store.db", body)


def test_faults(tmp_path: Path) -> None:
    """A fault MUST strike the keys of its prefix while its file is there, and no others."""
    file = tmp_path / "faults.json"

    async def body(writer: SqliteStore, reader: SqliteStore) -> None:
        await writer.put("snapshot:a", "0123456789", None)
        await writer.put("session:a", "0123456789", None)
        faulty = FaultyStore(reader, file)
        whole = await reader.get("snapshot:a")
        assert await faulty.get("snapshot:a") == whole

        file.write_text(json.dumps({"fault": "down"}))
        for call in (faulty.get("snapshot:a"), faulty.keys("snapshot:"), faulty.delete("snapshot:a", None)):
            with pytest.raises(StoreError):
                await call
        with pytest.raises(StoreError):
            await faulty.put("snapshot:a", "", None)
        assert await faulty.get("session:a") is not None

        file.write_text(json.dumps({"fault": "corrupt"}))
        cut = await faulty.get("snapshot:a")
        assert cut is not None and cut.text == "01234"

        file.write_text(json.dumps({"fault": "slow", "seconds": 30}))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(faulty.get("snapshot:a"), 0.05)

        file.unlink()
        assert await faulty.get("snapshot:a") == whole

    with_stores(tmp_path / "store.db", body)


def test_unknown_fault() -> None:
    """A fault that does not exist MUST be refused by name."""
    with pytest.raises(ValueError, match="unknown fault 'dwon'; there are down, slow, corrupt"):
        Fault("dwon")
