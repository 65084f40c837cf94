"""Manifests: their JSON and their invariants (contract section 3)."""

from __future__ import annotations

import datetime
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reference.snapstart.records import (
    Artifact,
    ArtifactPhase,
    ArtifactSet,
    Manifest,
    Owner,
    RecordError,
    Retry,
    SetRef,
    dumped,
    loaded,
    problems,
)
from tests.unit.snapstart.manifests import OWNER, manifests

AT = datetime.datetime(2026, 1, 1, 12, 0, 0, 250, tzinfo=datetime.UTC)


@given(manifests())
def test_round_trip(manifest: Manifest) -> None:
    """What was written MUST be read again, whole."""
    assert loaded(dumped(manifest)) == manifest


def manifest() -> Manifest:
    """An active set with two artifacts."""
    artifacts = (
        Artifact("zygote.ref", "a", ArtifactPhase.READY, "one", "h", AT),
        Artifact("zygote.ref", "b", ArtifactPhase.FAILED, "one", "h", retry=Retry(1, AT)),
    )
    return Manifest(OWNER).with_active(ArtifactSet("one", "h", "t-1", artifacts, AT))


def test_form() -> None:
    """A record MUST have the fields that the contract names."""
    found = json.loads(dumped(manifest()))
    assert found["ownerRef"] == {"kind": "SandboxSnapshot", "namespace": "ns", "name": "snap", "uid": "uid-1"}
    assert found["activeSetRef"] == {"snapshotKey": "one"}
    assert found["pendingSetRef"] is None
    artifact = found["artifactSets"]["one"]["artifacts"][1]
    assert artifact["nodeName"] == "b"
    assert artifact["retry"]["failureCount"] == 1


@pytest.mark.parametrize(
    ("path", "value", "problem"),
    [
        ("activeSetRef.snapshotKey", "none", "active set none does not exist"),
        ("pendingSetRef", {"snapshotKey": "none"}, "pending set none does not exist"),
        ("artifactSets.one.snapshotKey", "other", "set other is under key one"),
        ("artifactSets.one.artifacts.1.nodeName", "a", "set one has a node twice"),
        ("artifactSets.one.artifacts.0.snapshotKey", "other", "has another key or hash"),
        ("artifactSets.one.artifacts.0.snapshotHash", "other", "has another key or hash"),
        ("artifactSets.one.artifacts.0.createdAt", None, "is Ready with createdAt unset"),
        ("artifactSets.one.artifacts.1.createdAt", AT.isoformat(), "is Failed with createdAt set"),
        ("artifactSets.one.artifacts.0.phase", "Odd", "no manifest"),
        ("artifactSets.one.artifacts.0.createdAt", "2026-01-01T00:00:00", "no manifest"),
        ("sequence", "many", "no manifest"),
        ("ownerRef", None, "no manifest"),
        ("unknown", 1, "no manifest"),
    ],
)
def test_broken_records(path: str, value: object, problem: str) -> None:
    """A record that breaks an invariant, or is none, MUST NOT be read."""
    found: Any = json.loads(dumped(manifest()))
    at = found
    *way, last = path.split(".")
    for step in way:
        at = at[int(step)] if isinstance(at, list) else at[step]
    at[last] = value
    with pytest.raises(RecordError, match=problem):
        loaded(json.dumps(found))


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "{}", "7", "\x00"])
def test_garbage(text: str) -> None:
    """What is no manifest MUST be a RecordError, whatever it is."""
    with pytest.raises(RecordError):
        loaded(text)


@given(manifests(), st.integers(0, 10_000))
def test_truncated_records(found: Manifest, length: int) -> None:
    """A record that was cut anywhere MUST be a RecordError."""
    text = dumped(found)
    with pytest.raises(RecordError):
        loaded(text[: length % len(text)])


def test_broken_manifests_are_not_written() -> None:
    """A manifest that breaks an invariant MUST NOT be written."""
    broken = Manifest(OWNER, active_set_ref=SetRef("none"))
    assert list(problems(broken)) == ["active set none does not exist"]
    with pytest.raises(RecordError):
        dumped(broken)


def test_promotion() -> None:
    """A promotion MUST leave nothing of the set before, and renew the time."""
    later = AT + datetime.timedelta(hours=1)
    found = manifest().with_pending(ArtifactSet("two", "h2", "t-1")).promoted(later)
    assert found.active == ArtifactSet("two", "h2", "t-1", (), later)
    assert found.pending is None
    assert list(found.artifact_sets) == ["two"]


def test_store_keys() -> None:
    """The store key MUST be the contract's, and be read back."""
    assert OWNER.store_key == "snapshot:SandboxSnapshot:ns:snap:uid-1"
    assert Owner.of_store_key(OWNER.store_key) == OWNER
    for wrong in ("session:1", "snapshot:a:b", ""):
        with pytest.raises(RecordError):
            Owner.of_store_key(wrong)
