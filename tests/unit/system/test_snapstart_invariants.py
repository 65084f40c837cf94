"""The invariants of SnapStart: a clean stream breaks none, and each is broken by the stream made for it."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from fixtures.journal.history import EntryType, History
from fixtures.kube.kinds import POD, SANDBOX, SNAPSHOT, SNAPSHOT_TASK, TEMPLATE, Kind
from fixtures.system.snapstart.invariants import violations
from fixtures.system.snapstart.sessions import SESSION, Attempt, Witness
from fixtures.system.snapstart.views import SNAPSHOT_KEY, VIEWS

LEAVING = {"deletionTimestamp": "2026-01-01T00:00:00Z"}


class Story:
    """Writes a history as the suite would have recorded it, one second between any two things."""

    def __init__(self) -> None:
        self.history = History(VIEWS)
        self.now = 100.0
        self._versions = itertools.count(1)

    def state(self, kind: Kind, name: str, type_: str = "ADDED", **fields: Any) -> Story:
        """A state of an object."""
        self.now += 1
        metadata = {
            "name": name,
            "namespace": "ns",
            "uid": f"uid-{name}",
            "resourceVersion": str(next(self._versions)),
            **fields.pop("metadata", {}),
        }
        body = {"kind": kind.name, "metadata": metadata, **fields}
        self.history.record(self.now, kind, EntryType(type_), body)
        return self

    def snapshot(self, phase: str = "Ready", *, ready: int = 2, failed: int = 0, since: str = "now") -> Story:
        """A state of the snapshot, whose targets are two nodes."""
        counts = {"targetNodeCount": 2, "readyNodeCount": ready, "failedNodeCount": failed}
        return self.state(SNAPSHOT, "snap", status={"phase": phase, "readyAt": since, **counts})

    def template(self, image: str = "one", **metadata: Any) -> Story:
        """A state of the template `python`."""
        pod = {"metadata": metadata, "spec": {"containers": [{"image": image}]}}
        return self.state(TEMPLATE, "python", spec={"podTemplate": pod})

    def build(self, name: str = "build", *, key: str | None = None) -> Story:
        """A build Sandbox with its Pod."""
        self.state(SANDBOX, name, metadata={"ownerReferences": [owner("SandboxSnapshot", "snap")]})
        return self.pod(f"{name}-pod", name, key)

    def task(
        self,
        phase: str = "Ready",
        type_: str = "MODIFIED",
        *,
        name: str = "build",
        key: str = "key",
        snapshot: str = "uid-snap",
        hash_: str = "sha256:1",
        sandbox: str = "build",
    ) -> Story:
        """A state of a task."""
        spec = {
            "snapshotKey": key,
            "snapshotHash": hash_,
            "snapshotUID": snapshot,
            "targetNodeName": "node",
            "targetSandboxRef": {"name": sandbox},
        }
        return self.state(SNAPSHOT_TASK, name, type_, spec=spec, status={"phase": phase} if phase else {})

    def pod(self, name: str, sandbox: str, key: str | None, type_: str = "ADDED") -> Story:
        """A state of a Pod."""
        annotations = {} if key is None else {SNAPSHOT_KEY: key}
        references = [owner("Sandbox", sandbox)]
        return self.state(
            POD, name, type_, metadata={"annotations": annotations, "ownerReferences": references}, spec={}
        )

    def session(
        self, name: str, key: str | None, boot: str, *, instance: str = "", began: float | None = None
    ) -> Story:
        """A session in a Sandbox of its own, and what it says of itself."""
        self.state(SANDBOX, name).pod(name, name, key)
        return self.visit(name, boot, instance or f"uid-{name}", began)

    def visit(self, name: str, boot: str, instance: str, began: float | None = None) -> Story:
        """What the user of a session saw."""
        self.now += 1
        witness = Witness(boot, 5, instance, 1, 1, "build", {})
        answer = {"name": name, "address": "127.0.0.2"}
        attempt = Attempt(began or self.now - 2.5, self.now, "python", 200, answer, witness)
        self.history.record_note(self.now, SESSION, str(attempt), attempt.to_dict())
        return self

    def broken(self) -> list[str]:
        """The ids of the invariants that it breaks."""
        return sorted({violation.invariant for violation in violations(self.history)})


def owner(kind: str, name: str) -> dict[str, Any]:
    """A reference to a controller."""
    return {"kind": kind, "name": name, "uid": f"uid-{name}", "controller": True}


def clean() -> Story:
    """A snapshot that is built, serves two sessions, and is built anew after a change of its template."""
    story = Story().template().snapshot("Creating", ready=0, failed=2).build()
    story.task("", "ADDED").task().snapshot().session("one", "key", "boot").session("two", "key", "boot")
    story.state(SANDBOX, "build", "MODIFIED", metadata=LEAVING).task(type_="DELETED")
    story.template("two").session("cold", None, "own").session("other", None, "its-own")
    story.build("build-2").task("", "ADDED", name="build-2", key="key-2", hash_="sha256:2", sandbox="build-2")
    story.task(name="build-2", key="key-2", hash_="sha256:2", sandbox="build-2")
    return story.session("three", "key-2", "boot-2")


def test_a_clean_stream_breaks_nothing() -> None:
    """What a right implementation does MUST NOT be called wrong."""
    assert clean().broken() == []


BROKEN = {
    "SS-J1": lambda: clean().snapshot(ready=1),
    "SS-J2": lambda: clean().snapshot(since=""),
    "SS-J3": lambda: clean().task("", "ADDED", name="again", snapshot="uid-another"),
    "SS-J4": lambda: clean().pod("one", "one", "key-2", "MODIFIED"),
    "SS-J5": lambda: clean().session("early", "key-of-nobody", "boot-3"),
    "SS-J6": lambda: clean().task("", "ADDED", name="thief", key="key-3", sandbox="one"),
    "SS-J7": lambda: clean().task(
        name="build-2", key="key-2", hash_="sha256:2", sandbox="build-2", type_="DELETED"
    ),
    "SS-J8": lambda: clean().visit("twin", "boot-2", "uid-three"),
    "SS-J9": lambda: clean().session("copied", None, "own"),
    "SS-J10": lambda: clean().session("stale", "key", "boot"),
}


@pytest.mark.parametrize("invariant", BROKEN)
def test_each_invariant_is_broken_by_its_stream(invariant: str) -> None:
    """A stream that breaks an invariant MUST be told by that invariant, and by no other."""
    assert BROKEN[invariant]().broken() == [invariant]


def test_a_build_that_is_restored_itself() -> None:
    """A build's Pod with a key MUST be told."""
    assert clean().build("build-3", key="key-2").broken() == ["SS-J6"]


def test_two_keys_of_one_bootstrap() -> None:
    """Sessions with different keys MUST NOT have one bootstrap."""
    assert clean().session("foreign", "key-2", "boot").broken() == ["SS-J9"]


def test_requests_before_a_change_are_not_stale() -> None:
    """A session that was asked for before the template changed MAY have the old key."""
    story = clean()
    assert story.session("asked-early", "key", "boot", began=101.0).broken() == []


def test_metadata_is_no_change() -> None:
    """A change of the template's metadata MUST NOT make keys stale."""
    assert clean().template("two", labels={"a": "b"}).session("four", "key-2", "boot-2").broken() == []


def test_what_is_excused_is_not_told() -> None:
    """Invariants that a test excuses, and keys that it forged, MUST NOT be told."""
    story = clean().snapshot(ready=1).session("forger", "forged", "boot-3")
    assert [v.invariant for v in violations(story.history, {"SS-J1"}, {"forged"})] == []
