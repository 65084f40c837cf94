"""Rebuilds after a time: the active set serves until another one takes its place (SS-I5)."""

from __future__ import annotations

import pytest

from reference.snapstart import kinds
from tests.unit.snapstart.controller.conftest import MakeWorld
from tests.unit.snapstart.controller.world import World


def aged(make_world: MakeWorld) -> World:
    """A world whose snapshot is rebuilt every minute."""
    world = make_world()
    world.create_snapshot(forkPolicy={"rebuildAfter": "1m"})
    world.settle()
    return world


def test_scheduled_rebuild(make_world: MakeWorld) -> None:
    """SS-I5: the active key MUST be usable until another one takes its place, once a period."""
    world = aged(make_world)
    keys = [world.active_key]
    for _ in range(5):
        world.after(10)
        assert world.reconcile() == pytest.approx(50)
        world.clock.advance(50)
        world.reconcile()
        assert (world.phase(), world.session().key) == ("Ready", keys[-1])
        assert world.manifest().pending is not None
        world.settle()
        assert world.phase() == "Ready"
        keys.append(world.active_key)
        assert world.status()["readyAt"] == world.clock().isoformat().replace("+00:00", "Z")

    assert len(set(keys)) == 6
    assert world.metric("agentcube_sandbox_snapshot_rebuild_total", reason="rebuild_after") == 5


def test_scheduled_rebuild_that_fails(make_world: MakeWorld) -> None:
    """SS-I5: a rebuild that fails MUST leave the active set as it is, and be tried again a period later."""
    world = aged(make_world)
    key, ready_at = world.active_key, world.status()["readyAt"]
    world.after(60, fail=["a", "b"])
    for pause in (1, 2, 4):
        world.after(pause, fail=["a", "b"])

    assert (world.phase(), world.session().key) == ("Ready", key)
    assert world.status()["readyAt"] == ready_at
    assert world.manifest().pending is None
    world.after(10)
    assert world.reconcile() == pytest.approx(43)
    world.after(43)
    assert world.session().key == world.active_key != key


def test_source_change_during_a_scheduled_rebuild(make_world: MakeWorld) -> None:
    """A changed source MUST end a rebuild and the use of the active set at once."""
    world = aged(make_world)
    world.clock.advance(60)
    world.reconcile()
    world.use_image("python:3.12")
    world.reconcile()

    assert world.manifest().active is None
    assert world.phase() == "Creating"
    world.settle()
    assert world.phase() == "Ready"


def test_live_keys(make_world: MakeWorld) -> None:
    """The keys that agents have to keep MUST be those of the record, before any task names them."""
    world = aged(make_world)
    assert world.snapshot()["metadata"]["annotations"][kinds.LIVE_KEYS] == world.active_key
    world.clock.advance(60)
    world.reconcile()
    live = world.snapshot()["metadata"]["annotations"][kinds.LIVE_KEYS].split(",")
    assert sorted(live) == sorted(world.manifest().artifact_sets)
    assert len(live) == 2
    world.settle()
    assert world.snapshot()["metadata"]["annotations"][kinds.LIVE_KEYS] == world.active_key
