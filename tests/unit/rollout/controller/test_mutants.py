"""Each wrong controller does its wrong act where it should, is counted, and runs otherwise."""

from __future__ import annotations

from collections.abc import Callable

import grpc
import pytest

from reference.rollout.actors import State
from reference.rollout.controller.dialect import DIALECTS
from reference.rollout.controller.firing import FIRED
from reference.rollout.controller.mutants import MUTANTS, mutated
from reference.rollout.controller.objects import golden_of
from reference.rollout.kinds import ActorTemplate, SandboxAgent
from tests.unit.rollout.controller.conftest import MakeWorld
from tests.unit.rollout.controller.world import World


def rollout(world: World) -> None:
    """Three configs, the second never Ready for long, with idle and live sessions and a golden too many."""
    world.settle_held(2)
    blue = world.names[0]
    world.ate.add("asr-idle", blue, State.SUSPENDED)
    world.ate.add("asr-live", blue, State.RUNNING)
    world.ate.add("11111111-2222-4333-8444-555555555555", blue, State.SUSPENDED)
    for model in ("m2", "m3"):
        world.use_model(model)
        world.reconcile()
        world.reconcile()
    world.settle_held()
    world.ate.add("asr-new", world.desired, State.SUSPENDED)
    world.settle_held()
    world.ate.actors.pop("asr-live", None)
    world.settle_held()


def flip_back(world: World) -> None:
    """The config before last comes back while its successor is built."""
    world.settle()
    world.use_model("m2")
    world.reconcile()
    world.use_model("m1")
    world.reconcile()


def taken_name(world: World) -> None:
    """Somebody else has the name of the template."""
    world.reconcile()
    stranger = {"ownerReferences": [{"uid": "stranger", "controller": True, "kind": "SandboxAgent"}]}
    world.api.edit(ActorTemplate, world.names[0], {"metadata": stranger})
    world.reconcile()


def replaced(world: World) -> None:
    """A second config is Ready, and the first has an idle session."""
    world.settle()
    world.ate.add("asr-idle", world.names[0], State.SUSPENDED)
    world.use_model("m2")
    world.reconcile()
    world.build_all()


def marked(world: World) -> None:
    """A retirement has begun."""
    replaced(world)
    for _ in range(4):
        world.reconcile()


def overtaken(world: World) -> None:
    """A template that never was Ready becomes it under its mark."""
    world.settle()
    world.use_model("m2")
    world.reconcile()
    late = world.desired
    world.mint(late)
    world.use_model("m3")
    world.build_at_its_mark(late)
    world.reconcile()


def outage(world: World) -> None:
    """ate-api is down."""
    replaced(world)
    world.ate.down = True
    world.reconcile()


def refused_reaping(world: World) -> None:
    """A session actor cannot be deleted."""
    replaced(world)
    world.ate.refused["delete-actor"] = grpc.StatusCode.INTERNAL
    world.reconcile()


def neighbour(world: World) -> None:
    """Another agent's actor has a name that begins alike."""
    replaced(world)
    world.ate.add("asr-ns-my-agent-bar-ff-s1", "my-agent-bar-ff", State.SUSPENDED)
    world.reconcile()


def deletion(world: World) -> None:
    """The agent is deleted."""
    world.settle()
    world.delete_agent()
    world.reconcile()


def deletion_while_built(world: World) -> None:
    """The agent is deleted before the golden of its template is minted."""
    world.reconcile()
    world.delete_agent()
    world.reconcile()


def idle(world: World) -> None:
    """A second config is Ready, and the first has an idle session that nobody reaps."""
    replaced(world)
    world.settle_held(2)


def retained(world: World) -> None:
    """Several passes over one template."""
    world.settle_held()


#: Where a mutant acts, if not in `rollout`.
SCENARIOS: dict[str, Callable[[World], None]] = {
    "adopt-foreign": taken_name,
    "blind-mark": overtaken,
    "count-live": idle,
    "delete-stuck": deletion,
    "delete-unguarded": deletion_while_built,
    "finalizer-early": deletion,
    "generation-only": flip_back,
    "label-loop": retained,
    "leave-goldens": deletion,
    "name-cut": retained,
    "order-by-creation": flip_back,
    "outage-wedge": outage,
    "prefix-owner": neighbour,
    "prune-unrendered": replaced,
    "reap-fatal": refused_reaping,
    "retire-last": retained,
    "revive-retiring": marked,
}

#: Names of agents for mutants that need a long one.
AGENTS = {"label-loop": "a" * 64, "name-cut": "a" * 60}


def fired(mutant: str) -> float:
    """How often a mutant has acted so far."""
    return FIRED.labels(mutant)._value.get()


@pytest.mark.parametrize("mutant", sorted(MUTANTS))
def test_mutant_acts(make_world: MakeWorld, mutant: str) -> None:
    """A mutant MUST act in a situation that it is about."""
    before = fired(mutant)
    SCENARIOS.get(mutant, rollout)(make_world("v1_safe", mutant, agent=AGENTS.get(mutant, "my-agent")))
    assert fired(mutant) > before


@pytest.mark.parametrize("scenario", sorted({rollout, *SCENARIOS.values()}, key=lambda s: s.__name__))
def test_right_controller_passes_all_scenarios(
    make_world: MakeWorld, scenario: Callable[[World], None]
) -> None:
    """The right controller MUST come to its end afterwards, with one template and one golden, or none."""
    world = make_world()
    scenario(world)
    world.ate.down = False
    world.ate.refused.clear()
    if scenario is taken_name:
        return  # That stays wrong until somebody puts it right.
    world.settle()
    assert len(world.names) == len(world.api.all(SandboxAgent))


def test_shared_secret_is_overwritten(make_world: MakeWorld) -> None:
    """Mutant shared-secret MUST do what it is about: one Secret for two templates."""
    world = make_world("v1_safe", "shared-secret")
    world.settle()
    world.use_model("m2")
    world.reconcile()
    assert len(world.names) == 2
    assert world.secrets() == ["my-agent"]


def test_revived_template_has_no_golden(make_world: MakeWorld) -> None:
    """Mutant revive-retiring MUST do what it is about: a template serves whose golden is gone (I1)."""
    world = make_world("v1_safe", "revive-retiring")
    replaced(world)
    for _ in range(2):
        world.reconcile()
    world.use_model("m1")
    world.reconcile()
    assert world.active is not None
    assert golden_of(world.active) not in world.ate.actors


def test_later_mutants_are_over_earlier_ones() -> None:
    """Mutants MUST be combined in the order of the command line."""
    dialect = mutated(DIALECTS["v1_safe"], ["never-retire", "early-retire", "no-retry"])
    assert type(dialect.retiring).__name__ == "EarlyRetire"
    assert type(dialect.flow).__name__ == "NoRetry"
