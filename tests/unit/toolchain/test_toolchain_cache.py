"""An entry is used only when it is whole; making one leaves nothing behind."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from fixtures.toolchain.cache import MANIFEST, BadEntry, Cache, Entry, Key

KEY = Key("widget", "v1.2.3", "linux", "amd64")


def fill(cache: Cache) -> Entry:
    with cache.lock(KEY), cache.workspace(KEY) as work:
        content = work / "content"
        (content / "crds").mkdir(parents=True)
        (content / "widget").write_bytes(b"binary")
        (content / "widget").chmod(0o755)
        (content / "crds" / "a.yaml").write_text("a")
        return cache.publish(KEY, content, "build", go="1.26.8")


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "other-cache")


def test_entry_is_found_with_its_checksums(cache: Cache) -> None:
    """A published entry MUST be found, with the SHA-256 of every file."""
    assert cache.find(KEY) is None
    made = fill(cache)

    found = cache.find(KEY, thorough=True)

    assert found == made
    assert found.sha256("widget") == "9a3a45d01531a20e89ac6ae10b0b0beb0492acd7216a368aa062d1a5fecaf9cd"
    assert sorted(found.manifest["files"]) == ["crds/a.yaml", "widget"]
    assert found.size == 7
    assert cache.stored() == [KEY]


def test_workspace_is_gone_afterwards(cache: Cache) -> None:
    """Making an entry MUST leave nothing under tmp/, done or failed; what a killed run left is dropped."""
    fill(cache)
    assert list((cache.root / "tmp").iterdir()) == []

    (cache.root / "tmp" / KEY.slug / "old").mkdir(parents=True)
    with pytest.raises(RuntimeError, match="boom"), cache.workspace(KEY) as work:
        assert list(work.iterdir()) == []
        (work / "read-only").mkdir()
        (work / "read-only" / "file").write_text("x")
        (work / "read-only").chmod(0o555)
        raise RuntimeError("boom")

    assert list((cache.root / "tmp").iterdir()) == []


def drop_manifest(entry: Path) -> None:
    (entry / MANIFEST).unlink()


def cut_manifest(entry: Path) -> None:
    (entry / MANIFEST).write_text((entry / MANIFEST).read_text()[:40])


def empty_manifest(entry: Path) -> None:
    (entry / MANIFEST).write_text("{}")


def other_manifest(entry: Path) -> None:
    manifest = json.loads((entry / MANIFEST).read_text())
    (entry / MANIFEST).write_text(json.dumps(manifest | {"version": "v9.9.9"}))


def poor_manifest(entry: Path) -> None:
    manifest = json.loads((entry / MANIFEST).read_text())
    del manifest["files"]["widget"]["sha256"]
    (entry / MANIFEST).write_text(json.dumps(manifest))
    os.utime(entry / "widget")


def drop_binary(entry: Path) -> None:
    (entry / "widget").unlink()


def cut_binary(entry: Path) -> None:
    (entry / "widget").write_bytes(b"bin")


def change_binary(entry: Path) -> None:
    (entry / "widget").write_bytes(b"bimary")


def forbid_binary(entry: Path) -> None:
    (entry / "widget").chmod(0o644)


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (drop_manifest, "it has no manifest"),
        (cut_manifest, "its manifest cannot be read"),
        (empty_manifest, "its manifest has another form"),
        (other_manifest, "its manifest is that of widget v9.9.9"),
        (poor_manifest, "its manifest says too little about widget"),
        (drop_binary, "widget cannot be read: No such file or directory"),
        (cut_binary, "widget has 3 bytes instead of 6"),
        (change_binary, "widget has SHA-256 .* instead of 9a3a45d0"),
        (forbid_binary, "widget is not executable"),
    ],
)
def test_damaged_entry_is_never_used(
    cache: Cache, caplog: pytest.LogCaptureFixture, damage: Callable[[Path], None], says: str
) -> None:
    """An entry that is not what its manifest says MUST be refused, with the reason, and replaced."""
    damage(fill(cache).path)

    with pytest.raises(BadEntry, match=says):
        cache.find(KEY)
    assert cache.usable(KEY) is None
    assert "it will be prepared again" in caplog.text

    fill(cache)
    assert cache.find(KEY, thorough=True) is not None


def test_damage_that_keeps_size_and_time_needs_a_thorough_look(cache: Cache) -> None:
    """A look-up hashes only files whose time differs; `thorough` hashes all."""
    binary = fill(cache).path / "widget"
    stat = binary.stat()
    binary.write_bytes(b"bimary")
    os.utime(binary, ns=(stat.st_atime_ns, stat.st_mtime_ns))

    assert cache.find(KEY) is not None
    with pytest.raises(BadEntry, match="widget has SHA-256"):
        cache.find(KEY, thorough=True)


def test_restored_time_makes_the_next_look_quick(cache: Cache) -> None:
    """An entry from an archive that lost the fraction of a second MUST be accepted, and hashed once only."""
    entry = fill(cache)
    recorded = entry.manifest["files"]["widget"]["mtime_ns"]
    os.utime(entry.path / "widget", (1_700_000_000, 1_700_000_000))

    assert cache.find(KEY) == entry
    assert (entry.path / "widget").stat().st_mtime_ns == recorded


def test_sweep_spares_what_is_being_made(cache: Cache) -> None:
    """What killed runs left under tmp/ goes; the workspace of a live run stays."""
    (cache.root / "tmp" / "left_v1_linux-amd64").mkdir(parents=True)
    with cache.lock(KEY), cache.workspace(KEY) as work:
        cache.sweep()
        assert [path.name for path in (cache.root / "tmp").iterdir()] == [work.name]
