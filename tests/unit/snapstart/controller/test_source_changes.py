"""What a changed, replaced or missing source does to a snapshot (SS-I1, SS-I4, SS-I6, SS-A5)."""

from __future__ import annotations

import pytest

from reference.objects import name_of
from reference.snapstart import kinds
from reference.snapstart.controller.facts import owner_of
from reference.snapstart.kinds import (
    Node,
    SandboxTemplate,
    SnapshotClass,
)
from tests.unit.snapstart.controller.conftest import MakeWorld
from tests.unit.snapstart.controller.world import World


def hash_of(world: World) -> str:
    """The hash of the active set."""
    active = world.manifest().active
    assert active is not None
    return active.snapshot_hash


def test_changed_template(world: World) -> None:
    """SS-I1: the active set MUST be forgotten before there are new tasks; sessions are cold meanwhile."""
    world.settle()
    key, before = world.active_key, hash_of(world)
    world.log.entries.clear()
    world.use_image("python:3.12")
    assert world.session().key is None, "the front sees the change before the controller does"
    world.reconcile()

    assert world.phase() == "Creating"
    assert "readyAt" not in world.status()
    assert world.manifest().active is None
    assert world.session().key is None
    put = world.log.entries.index(("put", owner_of(world.snapshot()).store_key))
    created = [i for i, (verb, _) in enumerate(world.log.entries) if verb == "create"]
    assert put < min(created)
    assert world.log.entries.index(("status", "SandboxSnapshot/snap")) < min(created)
    world.settle()
    assert world.phase() == "Ready"
    assert world.session().key == world.active_key != key
    assert hash_of(world) != before
    assert world.events()[-3:] == ["Rebuilding", "Creating", "Ready"]
    assert world.metric("agentcube_sandbox_snapshot_rebuild_total", reason="source_changed") == 1


def test_changed_template_while_it_is_built(world: World) -> None:
    """A set whose source changes while it is built MUST be given up, and never be promoted."""
    world.reconcile()
    old = world.tasks
    world.use_image("python:3.12")
    for task in old:
        world.finish(task, "Ready", "")
    world.reconcile()

    assert world.phase() == "Creating"
    assert world.manifest().active is None
    assert {name_of(s) for s in world.sandboxes}.isdisjoint(name_of(t) for t in old)
    world.settle()
    assert world.phase() == "Ready"


def test_policy_that_ignores_changes(make_world: MakeWorld) -> None:
    """SS-I4: with rebuildOnSourceChange=false the active set stays, and nothing newer is added to it."""
    world = make_world()
    world.create_snapshot(forkPolicy={"rebuildOnSourceChange": False})
    world.settle()
    key = world.active_key
    world.use_image("python:3.12")
    world.add_node("late")
    world.settle()

    assert (world.phase(), world.session().key) == ("Ready", key)
    assert world.counts() == (2, 0, 2, 0, 0)


@pytest.mark.parametrize("policy", [None, {}, {"rebuildOnSourceChange": True}])
def test_policy_left_out(make_world: MakeWorld, policy: dict[str, bool] | None) -> None:
    """SS-A5: a policy that says nothing MUST act as true."""
    world = make_world()
    world.create_snapshot(**({} if policy is None else {"forkPolicy": policy}))
    world.settle()
    key = world.active_key
    world.use_image("python:3.12")
    world.settle()

    assert world.active_key != key


@pytest.mark.parametrize("rebuild", [True, False])
def test_template_made_anew(make_world: MakeWorld, rebuild: bool) -> None:
    """SS-I6, SS-K2: a template that was deleted and made again with the same spec MUST get another set."""
    world = make_world()
    world.create_snapshot(forkPolicy={"rebuildOnSourceChange": rebuild})
    world.settle()
    key, before = world.active_key, hash_of(world)
    world.api.remove(SandboxTemplate, "python")
    world.create_template()
    assert world.session().key is None
    world.settle()

    assert world.active_key != key
    assert hash_of(world) != before


def test_template_that_is_gone(world: World) -> None:
    """Without its template a snapshot MUST be Failed and have no key; it recovers with the template."""
    world.settle()
    world.api.remove(SandboxTemplate, "python")
    world.settle()

    assert world.phase() == "Failed"
    assert world.status()["message"] == "SandboxTemplate python not found"
    assert world.manifest().artifact_sets == {}
    world.create_template()
    world.settle()
    assert world.phase() == "Ready"


def test_provider_of_the_class_changes(world: World) -> None:
    """Artifacts of another provider MUST NOT be used."""
    world.settle()
    for node in ("a", "b"):
        labels = {kinds.provider_label("criu.ref"): "true"}
        world.api.edit(Node, node, {"metadata": {"labels": labels}})
    world.api.edit(SnapshotClass, "fast", {"spec": {"providerName": "criu.ref"}})
    assert world.session().key is None
    world.reconcile()

    assert world.phase() == "Creating"
    assert {task["spec"]["providerName"] for task in world.tasks} >= {"criu.ref"}
