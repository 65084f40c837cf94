"""The deletion of a snapshot: its record first, and nobody is waited for (SS-I7, SS-B8, SS-K2)."""

from __future__ import annotations

import pytest

from reference.snapstart.controller.flow import FINALIZER
from reference.snapstart.kinds import (
    SandboxSnapshot,
)
from reference.snapstart.store.store import StoreError
from tests.unit.snapstart.controller.world import World


def test_deletion(world: World) -> None:
    """SS-I7: the record MUST go first; nobody is waited for, not even a dead node."""
    world.settle()
    world.set_ready("a", False)
    world.log.entries.clear()
    world.api.remove(SandboxSnapshot, "snap")
    assert world.session().key is None, "the front sees the deletion before the controller does"
    world.reconcile()

    assert ("SandboxSnapshot", "snap") not in world.api.objects
    assert world.store.records == {}
    assert [verb for verb, _ in world.log.entries][:1] == ["forget"]


def test_deletion_in_mid_build(world: World) -> None:
    """SS-B8: the Sandboxes of a deleted snapshot MUST be deleted before their tasks are."""
    world.reconcile()
    world.log.entries.clear()
    world.api.remove(SandboxSnapshot, "snap")
    world.reconcile()

    assert (world.sandboxes, world.tasks) == ([], [])
    verbs = [f"{verb} {what.partition('/')[0]}" for verb, what in world.log.entries]
    assert verbs[1:] == ["delete Sandbox", "delete Sandbox", "patch SandboxSnapshot"]


def test_deletion_while_the_store_is_down(world: World) -> None:
    """A record that cannot be deleted MUST keep its snapshot."""
    world.settle()
    world.api.remove(SandboxSnapshot, "snap")
    world.store.down = True
    with pytest.raises(StoreError):
        world.reconcile()

    assert world.snapshot()["metadata"]["finalizers"] == [FINALIZER]
    world.store.down = False
    world.reconcile()
    assert ("SandboxSnapshot", "snap") not in world.api.objects


def test_same_name_again(world: World) -> None:
    """SS-K2: a snapshot of the same name MUST share nothing with the one before."""
    world.settle()
    key = world.active_key
    world.api.remove(SandboxSnapshot, "snap")
    world.reconcile()
    world.create_snapshot()
    assert world.session().key is None
    world.settle()

    assert world.active_key != key
