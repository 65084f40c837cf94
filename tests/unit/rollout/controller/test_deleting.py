"""Deletion of an agent (C24): every actor goes first, then the finalizer, then the rest."""

from __future__ import annotations

import pytest

from reference.rollout.actors import State
from reference.rollout.controller.passes import Outcome
from reference.rollout.kinds import SandboxAgent
from tests.unit.rollout.controller.world import World


def is_gone(world: World) -> bool:
    """Whether the agent is."""
    return ("SandboxAgent", "my-agent") not in world.api.objects


@pytest.mark.parametrize(
    "state", [State.RUNNING, State.RESUMING, State.SUSPENDED, State.PAUSED, State.CRASHED]
)
def test_nothing_is_left(world: World, state: State) -> None:
    """C24: session actors MUST be suspended and deleted, goldens too, and only then the agent be released."""
    world.settle()
    (template,) = world.names
    world.ate.add("asr-1", template, state)
    world.ate.add("asr-other", "another", State.SUSPENDED)
    world.delete_agent()
    world.log.entries.clear()
    while not is_gone(world):
        assert world.reconcile() in (Outcome.PROGRESS, Outcome.DONE)

    assert set(world.ate.actors) == {"asr-other"}
    assert world.names == []
    assert world.secrets() == []
    assert world.log.entries[-1] == ("patch", "SandboxAgent/my-agent")
    assert len(world.log.of("delete-actor")) == 2


def test_in_the_middle_of_a_rollout(world: World) -> None:
    """C24, R18: goldens that are being built MUST go, too, and none be minted afterwards."""
    world.settle()
    world.use_model("m2")
    world.reconcile()
    world.mint(world.desired)
    world.use_model("m3")
    world.reconcile()
    unborn = world.desired
    world.delete_agent()
    world.reconcile()
    assert unborn not in world.names
    while not is_gone(world):
        world.reconcile()
    assert world.ate.actors == {}


def test_golden_minted_meanwhile_goes_before_its_template(world: World) -> None:
    """I4: a template whose golden is minted while it is being deleted MUST NOT go before that golden."""
    unborn = world.minted_at_its_deletion()
    world.delete_agent()
    world.log.entries.clear()

    assert world.reconcile() is Outcome.PROGRESS
    assert unborn in world.names
    while not is_gone(world):
        assert world.reconcile() in (Outcome.PROGRESS, Outcome.DONE)
    assert f"ActorTemplate/{unborn}" not in world.log.of("delete")
    assert world.ate.actors == {}
    assert world.names == []


def test_outage_until_the_cap(world: World) -> None:
    """C24: with ate-api down the agent MUST be kept until the cap, and then be released with an Event."""
    world.settle()
    world.ate.down = True
    world.delete_agent()
    for _ in range(29):
        assert world.reconcile() is Outcome.AGAIN
        world.clock.advance(10)
    assert not is_gone(world)
    world.clock.advance(20)
    assert world.reconcile() is Outcome.DONE
    assert is_gone(world)
    assert {reason for reason, _, _ in world.events()} == {"CleanupFailed", "CleanupTimedOut"}


def test_created_again(world: World) -> None:
    """C27: an agent that is created again MUST start with nothing of the one before."""
    world.settle()
    (before,) = world.api.all(SandboxAgent)
    world.delete_agent()
    while not is_gone(world):
        world.reconcile()
    world.create_agent()
    world.settle()
    (after,) = world.api.all(SandboxAgent)
    assert after["metadata"]["uid"] != before["metadata"]["uid"]
    assert len(world.templates) == 1
    assert len(world.ate.actors) == 1
