"""Nodes that are not Ready, come back, or are removed (SS-I8)."""

from __future__ import annotations

from reference.snapstart import kinds
from reference.snapstart.kinds import (
    Node,
)
from tests.unit.snapstart.controller.world import World


def test_node_that_is_not_ready(world: World) -> None:
    """SS-I8: a lost node's artifact MUST be Unavailable, and Ready again when the node still holds it."""
    world.settle()
    key = world.active_key
    world.set_ready("a", False)
    world.settle()

    assert world.phase() == "Ready"
    assert world.counts() == (2, 0, 1, 0, 1)
    assert world.events()[-1] == "Degraded"
    assert world.session().key == key
    world.set_ready("a", True)
    world.settle()
    assert world.counts() == (2, 0, 2, 0, 0)
    assert world.active_key == key


def test_node_that_comes_back_empty(world: World) -> None:
    """SS-I8: a node that has lost its artifact meanwhile MUST NOT count as Ready before it has a new one."""
    world.settle()
    world.set_ready("a", False)
    world.settle()
    world.lose("a")
    world.clock.advance(60)
    world.set_ready("a", True)
    world.reconcile()

    assert world.counts() == (2, 1, 1, 0, 0)
    world.settle()
    assert world.counts() == (2, 0, 2, 0, 0)


def test_node_that_is_removed(world: World) -> None:
    """SS-I8: the record of a removed node's artifact MUST go."""
    world.settle()
    world.api.remove(Node, "a")
    world.settle()

    assert world.counts() == (1, 0, 1, 0, 0)
    assert world.phase() == "Ready"
    assert world.metric("agentcube_snapshot_artifact_record_removed_total", reason="node_removed") == 1


def test_last_ready_node(world: World) -> None:
    """With no node left a snapshot MUST NOT be Ready and sessions start cold, until one is back."""
    world.settle()
    for node in ("a", "b"):
        world.set_ready(node, False)
    world.settle()

    assert world.phase() == "Failed"
    assert world.counts() == (2, 0, 0, 0, 2)
    assert world.session().key is None
    world.set_ready("b", True)
    world.settle()
    assert world.phase() == "Ready"
    assert world.session().key == world.active_key


def test_node_that_loses_the_provider(world: World) -> None:
    """A node without the provider's label MUST NOT be counted Ready."""
    world.settle()
    world.api.edit(Node, "a", {"metadata": {"labels": {kinds.provider_label("zygote.ref"): None}}})
    world.settle()

    assert world.counts() == (2, 0, 1, 0, 1)
