"""Artifacts, records and whole stores that are lost or wrong (SS-I9, SS-K2, SS-S3, SS-S4, SS-B12)."""

from __future__ import annotations

import datetime

import pytest

from reference.objects import name_of
from reference.snapstart import kinds
from reference.snapstart.controller.facts import owner_of
from reference.snapstart.kinds import (
    Node,
    Sandbox,
    SandboxSnapshotTask,
)
from reference.snapstart.records import ArtifactPhase, RecordError, dumped
from tests.unit.fakeapi import NAMESPACE
from tests.unit.snapstart.controller.conftest import MakeWorld
from tests.unit.snapstart.controller.world import World


def test_artifacts_deleted_behind_the_driver(make_world: MakeWorld) -> None:
    """SS-I9: without an artifact left the set MUST be forgotten, and a new one be built under a new key."""
    world = make_world(nodes=("a",))
    world.create_snapshot()
    world.settle()
    key = world.active_key
    world.lose("a")
    world.clock.advance(2)
    world.reconcile()

    assert world.phase() == "Creating"
    assert world.session().key is None
    world.settle()
    assert world.session().key == world.active_key != key
    assert world.metric("agentcube_sandbox_snapshot_rebuild_total", reason="unusable") == 1


def test_one_artifact_of_two_lost(world: World) -> None:
    """A lost artifact MUST be built anew while the other node serves."""
    world.settle()
    key = world.active_key
    world.lose("a")
    world.clock.advance(2)
    world.reconcile()

    assert (world.phase(), world.session().key) == ("Ready", key)
    assert world.counts() == (2, 1, 1, 0, 0)
    world.settle()
    assert world.counts() == (2, 0, 2, 0, 0)


def test_inventory_that_is_late(world: World) -> None:
    """An artifact that its node does not name yet MUST NOT count as lost at once."""
    world.reconcile()
    for task in world.tasks:
        world.finish(task, "Ready", "")
    again = world.reconcile()

    assert world.phase() == "Ready"
    assert again == pytest.approx(2)


def test_node_that_says_nothing(world: World) -> None:
    """A node without an inventory MUST be believed what its tasks said."""
    for node in ("a", "b"):
        annotation = {kinds.inventory_annotation("zygote.ref"): None}
        world.api.edit(Node, node, {"metadata": {"annotations": annotation}})
    world.reconcile()
    for task in world.tasks:
        world.finish(task, "Ready", "")
    world.after(60)

    assert world.counts() == (2, 0, 2, 0, 0)


def test_lost_store(world: World) -> None:
    """SS-K2: after a loss of the store nothing built before MUST be restored again."""
    world.settle()
    key = world.active_key
    world.store.records.clear()
    assert world.session().key is None
    world.reconcile()

    assert world.phase() == "Creating"
    world.settle()
    assert world.active_key != key
    assert "Rebuilding" in world.events()


def test_corrupt_record(world: World) -> None:
    """A record that stays unreadable MUST count as lost; one that gets well is used again."""
    world.settle()
    key, place = world.active_key, owner_of(world.snapshot()).store_key
    good = world.store.records[place]
    world.run(world.store.put(place, good.text[:50], good.version))
    assert world.session().key is None
    with pytest.raises(RecordError):
        world.reconcile()
    world.store.records[place] = good
    world.settle()
    assert world.session().key == key

    world.run(world.store.put(place, good.text[:50], good.version))
    with pytest.raises(RecordError):
        world.reconcile()
    world.after(5)
    assert world.session().key == world.active_key != key


def test_record_of_another_snapshot(world: World) -> None:
    """SS-S4: a record that names another UID MUST be used by nobody."""
    world.settle()
    place = owner_of(world.snapshot()).store_key
    stored = world.store.records[place]
    world.run(world.store.put(place, stored.text.replace(world.uid(), "another"), stored.version))

    assert "UID another" in world.session().why
    with pytest.raises(RecordError):
        world.reconcile()


def test_session_while_the_store_is_down(world: World) -> None:
    """SS-S3: without the store sessions MUST start cold, and be restored again afterwards."""
    world.settle()
    world.store.down = True
    assert world.session().key is None
    world.store.down = False
    assert world.session().key == world.active_key


@pytest.mark.parametrize("change", ["hash", "source", "provider", "phase"])
def test_record_that_does_not_hold(world: World, change: str) -> None:
    """SS-S4: a record that differs in any point from what is there MUST NOT be used."""
    world.settle()
    place = owner_of(world.snapshot()).store_key
    text = dumped(world.manifest())
    active = world.manifest().active
    assert active is not None
    wrong = {
        "hash": text.replace(active.snapshot_hash, "sha256:0"),
        "source": text.replace(active.source_uid, "other"),
        "provider": text.replace("zygote.ref", "criu.ref"),
        "phase": text.replace('"Ready"', '"Unavailable"'),
    }[change]
    assert wrong != text
    world.run(world.store.put(place, wrong, world.store.records[place].version))

    assert world.session().key is None


def test_task_that_is_seen_late(world: World) -> None:
    """SS-B12: a controller that was away when a task became Ready MUST take it in when it is back."""
    world.reconcile()
    world.answer()
    assert world.session().key is None
    world.clock.advance(20)
    world.reconcile()

    assert world.phase() == "Ready"
    assert world.session().key == world.active_key


def test_creation_times(world: World) -> None:
    """`createdAt` MUST be unset until an artifact is built, and set from then on."""
    world.reconcile()
    pending = world.manifest().pending
    assert pending is not None
    assert [a.created_at for a in pending.artifacts] == [None, None]
    world.clock.advance(3)
    world.settle()
    active = world.manifest().active
    assert active is not None
    built = world.clock.now - datetime.timedelta()
    assert [(a.created_at, a.phase) for a in active.artifacts] == [(built, ArtifactPhase.READY)] * 2


def test_foreign_sandbox_of_the_same_name(world: World) -> None:
    """SS-B13: a Sandbox that somebody else made MUST NOT become the source of a snapshot."""
    world.reconcile()
    name = name_of(world.sandboxes[0])
    world.api.remove(Sandbox, name)
    world.create(Sandbox, {"metadata": {"name": name}, "spec": {}})
    world.reconcile()

    assert world.run(world.api.get(SandboxSnapshotTask, NAMESPACE, name)) is None
    assert name in {name_of(sandbox) for sandbox in world.sandboxes}, "it is left alone"
    assert "belongs to somebody else" in world.status()["message"]
    world.clock.advance(1)
    world.settle()
    assert world.counts() == (2, 0, 2, 0, 0)
