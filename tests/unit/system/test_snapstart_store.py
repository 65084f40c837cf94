"""The artifact store as tests see it: read, edited under the controller's eyes, disturbed and lost."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from fixtures.system.snapstart.store import RecordStore
from reference.snapstart.store.faults import read_fault
from reference.snapstart.store.sqlite import SqliteStore
from reference.snapstart.store.store import Conflict

KEY = "snapshot:SandboxSnapshot:ns:snap:uid"
RECORD = {"activeSetRef": {"snapshotKey": "key"}}


@pytest.fixture
def store(tmp_path: Path) -> RecordStore:
    """A store with one record of a snapshot, and one of somebody else."""

    async def fill() -> None:
        written = SqliteStore(tmp_path / "store.db", writable=True)
        await written.put(KEY, json.dumps(RECORD), None)
        await written.put("session:1", "not ours", None)
        await written.close()

    asyncio.run(fill())
    return RecordStore(tmp_path / "store.db", tmp_path / "faults.json")


def test_records_are_found_by_snapshot(store: RecordStore) -> None:
    """Records of snapshots MUST be found by UID, others not be shown; a missing one MUST be None."""
    assert store.records() == {KEY: RECORD}
    assert store.active_key("uid") == "key"
    assert store.record_of("other") is None
    assert store.active_key("other") is None


def test_an_edit_is_a_new_version(store: RecordStore) -> None:
    """Whoever read the record before an edit MUST NOT be able to overwrite it."""

    async def overwrite() -> None:
        writer = SqliteStore(store.path, writable=True)
        try:
            before = await writer.get(KEY)
            assert before is not None
            store.edit("uid", lambda record: {**record, "edited": True})
            with pytest.raises(Conflict):
                await writer.put(KEY, "{}", before.version)
        finally:
            await writer.close()

    asyncio.run(overwrite())
    assert store.record_of("uid") == {**RECORD, "edited": True}


def test_a_disturbance_ends_with_its_block(store: RecordStore) -> None:
    """The programs MUST find the fault within the block, and none after it."""
    with store.disturbed("slow", seconds=3):
        fault = read_fault(store.faults)
        assert fault is not None
        assert (fault.name, fault.seconds) == ("slow", 3)
    assert read_fault(store.faults) is None


def test_a_lost_store_holds_nothing(store: RecordStore) -> None:
    """After its loss there MUST be no record, and no file."""
    store.lose()
    assert store.records() == {}
    assert not list(store.path.parent.glob("store.db*"))
