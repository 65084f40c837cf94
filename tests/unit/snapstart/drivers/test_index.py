"""Artifacts on disk: complete or absent, and never another's."""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fixtures.system.fulldisk import full_disk
from reference.snapstart.drivers.driver import Artifact
from reference.snapstart.drivers.index import Index, IndexBusyError, Record, digest

WHEN = datetime.datetime(2026, 11, 26, 12, 0, tzinfo=datetime.UTC)


def record(namespace: str = "ns", key: str = "key") -> Record:
    """An artifact with something for its driver."""
    return Record(Artifact(namespace, key, "sha256:00", "boot", 5, WHEN, "node-1"), {"pid": 7})


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Index]:
    """An index in an empty folder."""
    index = Index(tmp_path / "index")
    yield index
    index.close()


def again(index: Index, folder: Path) -> Index:
    """The index as the next process finds it."""
    index.close()
    return Index(folder / "index")


def test_a_completed_artifact_is_there_for_the_next_process_too(index: Index, tmp_path: Path) -> None:
    """What was completed MUST be found, with all its files, by this process and the next."""
    begun = index.begin()
    (begun / "image").write_text("pages")
    assert index.get("ns", "key") is None
    index.complete(begun, record())
    after = again(index, tmp_path)
    assert after.get("ns", "key") == record()
    assert after.all() == [record()]
    assert (after.place("ns", "key") / "image").read_text() == "pages"
    after.close()


def test_an_unfinished_artifact_is_removed_by_the_next_process(index: Index, tmp_path: Path) -> None:
    """What was begun and not completed MUST never be found, and be gone after a restart."""
    (index.begin() / "image").write_text("half")
    assert index.all() == []
    after = again(index, tmp_path)
    assert [path.name for path in (tmp_path / "index").iterdir()] == ["lock"]
    after.close()


def test_an_artifact_that_finds_no_room_leaves_nothing(index: Index, tmp_path: Path) -> None:
    """What cannot be written entirely MUST be an error and not be there, not in part either."""
    with full_disk(psutil.Process()), pytest.raises(OSError):
        index.complete(index.begin(), record())
    assert index.all() == []
    assert [path.name for path in (tmp_path / "index").iterdir()] == ["lock"]


def test_a_removed_artifact_leaves_nothing(index: Index, tmp_path: Path) -> None:
    """Removing MUST take the files along, and do nothing where there is nothing."""
    index.complete(index.begin(), record())
    index.remove("ns", "key")
    index.remove("ns", "key")
    assert index.get("ns", "key") is None
    assert [path.name for path in (tmp_path / "index").iterdir()] == ["lock"]


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"artifact": {}, "details": {}}', "null"])
def test_a_damaged_record_is_no_artifact(index: Index, text: str) -> None:
    """A record that cannot be read entirely MUST be as if it were not there."""
    index.complete(index.begin(), record())
    (index.place("ns", "key") / "artifact.json").write_text(text)
    assert (index.get("ns", "key"), index.all()) == (None, [])


def test_a_record_in_the_place_of_another_is_no_artifact(index: Index) -> None:
    """A record MUST be believed only where it belongs: a copied folder is nobody's artifact."""
    index.complete(index.begin(), record())
    index.place("ns", "key").rename(index.place("other", "key"))
    assert index.get("other", "key") is None


def test_one_folder_has_one_driver(index: Index, tmp_path: Path) -> None:
    """A second index in a folder MUST be refused, with what to do about it."""
    with pytest.raises(IndexBusyError, match="give each a folder of its own"):
        Index(tmp_path / "index", 0.1)


def test_an_artifact_is_not_replaced(index: Index) -> None:
    """Completing a second artifact of one name MUST fail and leave the first."""
    index.complete(index.begin(), record())
    with pytest.raises(OSError, match="not empty|exists"):
        index.complete(index.begin(), record())
    assert index.all() == [record()]


@settings(deadline=None, database=None, max_examples=300)
@given(st.tuples(st.text(), st.text()), st.tuples(st.text(), st.text()))
def test_different_names_have_different_places(one: tuple[str, str], other: tuple[str, str]) -> None:
    """No two pairs of namespace and key MUST share a place, and none MUST lead out of the folder."""
    assert (digest(*one) == digest(*other)) == (one == other)
    assert set(digest(*one)) <= set("0123456789abcdef")


def test_namespace_and_key_do_not_run_into_each_other() -> None:
    """The border between namespace and key MUST count."""
    assert len({digest("a", "bc"), digest("ab", "c"), digest("", "abc"), digest("abc", "")}) == 4


def test_a_record_is_text_that_can_be_read() -> None:
    """A record MUST come back as it was."""
    assert Record.of_json(record().to_json()) == record()
    assert json.loads(record().to_json())["artifact"]["created_at"] == "2026-11-26T12:00:00+00:00"
