"""What the other dialects do: the defects of V1, and the rules of K2, K3 and API v2."""

from __future__ import annotations

import grpc
import pytest

from reference.rollout import names
from reference.rollout.actors import State
from reference.rollout.controller.objects import name_of, uid_of
from reference.rollout.controller.passes import Outcome
from reference.rollout.kinds import ActorTemplate, ModelConfig, SandboxAgent
from reference.rollout.leases import RETIRING_ANNOTATION
from tests.unit.rollout.controller.conftest import MakeWorld
from tests.unit.rollout.controller.world import World


def one_after_the_other(world: World, *models: str) -> None:
    """Configs in different seconds, each built and looked at, retirement included."""
    for model in models:
        world.use_model(model)
        for _ in range(4):
            world.reconcile()
            world.clock.advance(2)
            world.build_all()


# -- V1 -------------------------------------------------------------------


def test_v1_names_and_order(make_world: MakeWorld) -> None:
    """V1 has one Secret per agent, and no place in the order."""
    world = make_world("v1")
    world.reconcile()
    (template,) = world.templates
    assert set(template["metadata"]["annotations"]) == {names.CONFIG_HASH_ANNOTATION}
    assert world.secrets() == ["my-agent"]


def test_v1_retires_as_in_c16(make_world: MakeWorld) -> None:
    """C13 to C18 hold in V1 where nothing goes wrong."""
    world = make_world("v1")
    one_after_the_other(world, "m1", "m2", "m3")
    assert len(world.names) == 1
    assert len(world.ate.actors) == 1


def test_v1_strands_live_sessions(make_world: MakeWorld) -> None:
    """D1: V1 retires a template under a live session."""
    world = make_world("v1")
    one_after_the_other(world, "m1")
    (blue,) = world.names
    world.ate.add("asr-live", blue, State.RUNNING)
    one_after_the_other(world, "m2")
    assert blue not in world.names
    assert world.ate.actors["asr-live"].state is State.RUNNING


def test_v1_is_wedged_by_what_never_became_ready(make_world: MakeWorld) -> None:
    """D3: V1 applies nothing while a superseded template is not Ready."""
    world = make_world("v1")
    one_after_the_other(world, "m1")
    for model in ("m2", "m3", "m4"):
        world.use_model(model)
        world.reconcile()
        world.clock.advance(2)
    assert len(world.names) == 3
    for _ in range(10):
        assert world.reconcile() is Outcome.AGAIN
    assert len(world.names) == 3


def test_v1_does_not_come_back_after_an_error(make_world: MakeWorld) -> None:
    """D4: V1 takes a failed retirement for a finished one."""
    world = make_world("v1")
    one_after_the_other(world, "m1")
    world.use_model("m2")
    world.reconcile()
    world.build_all()
    world.ate.refused["get"] = grpc.StatusCode.UNAVAILABLE
    assert world.reconcile() is Outcome.DONE
    assert len(world.names) == 2


def test_v1_goes_by_creation(make_world: MakeWorld) -> None:
    """D5: V1 serves the younger of two Ready templates after a flip-back."""
    world = make_world("v1")
    one_after_the_other(world, "m1")
    (blue,) = world.names
    world.use_model("m2")
    world.reconcile()
    world.use_model("m1")
    world.build_all()
    assert world.active is not None and world.active["metadata"]["name"] != blue


def test_v1_reaps_by_prefix(make_world: MakeWorld) -> None:
    """D7, D8: V1 reaps the actors of `my-agent-bar`, and misses those with a hashed id."""
    world = make_world("v1")
    one_after_the_other(world, "m1")
    (blue,) = world.names
    world.ate.add("asr-ns-my-agent-bar-ff-s1", "my-agent-bar-ff", State.SUSPENDED)
    world.ate.add("asr-8f64696188a985eb6b373a85", blue, State.SUSPENDED)
    one_after_the_other(world, "m2")
    assert "asr-ns-my-agent-bar-ff-s1" not in world.ate.actors
    assert "asr-8f64696188a985eb6b373a85" in world.ate.actors


def test_v1_updates_byo_in_place(make_world: MakeWorld) -> None:
    """D19: V1 has one template for all configs of a BYO agent; an immutable spec refuses the second."""
    world = make_world("v1")
    byo = {"image": "tool@sha256:1", "cmd": "/tool", "env": [{"name": "A", "value": "1"}]}
    world.api.edit(SandboxAgent, "my-agent", {"spec": {"type": "BYO", "declarative": None, "byo": byo}})
    world.reconcile()
    assert world.names == ["my-agent-0"]
    world.api.edit(SandboxAgent, "my-agent", {"spec": {"byo": {"cmd": "/other"}}})
    world.reconcile()
    assert world.names == ["my-agent-0"]
    assert world.condition("Accepted") == ("False", "ReconcileFailed")


def test_v1_deletion(make_world: MakeWorld) -> None:
    """C24 holds in V1 for readable ids."""
    world = make_world("v1")
    one_after_the_other(world, "m1")
    (template,) = world.names
    world.ate.add("asr-ns-my-agent-ff-s1", template, State.RUNNING)
    world.delete_agent()
    for _ in range(6):
        world.reconcile()
    assert world.api.all(SandboxAgent) == []
    assert world.ate.actors == {}


# -- K2 -------------------------------------------------------------------


def test_k2_keeps_every_template(make_world: MakeWorld) -> None:
    """K2-1: as many templates as there were hashes, until the agent is deleted."""
    world = make_world("retain")
    one_after_the_other(world, "m1", "m2", "m3", "m2")
    assert len(world.names) == 3
    assert world.secrets() == world.names
    assert world.ate.calls == []


def test_k2_flip_back_by_spec(make_world: MakeWorld) -> None:
    """K2-2: a spec that comes back makes no template, and is first at once."""
    world = make_world("retain")
    world.settle()
    (blue,) = world.names
    world.say("s2")
    world.settle()
    world.say("s1")
    world.reconcile()
    assert len(world.names) == 2
    assert world.desired == blue


def test_k2_flip_back_by_input(make_world: MakeWorld) -> None:
    """D17, K2-3: a ModelConfig that comes back does not change the order: the other template stays first."""
    world = make_world("retain")
    one_after_the_other(world, "m1", "m2")
    green = world.desired
    one_after_the_other(world, "m1")
    assert world.desired == green


# -- K3 -------------------------------------------------------------------


def test_k3_soft_change(make_world: MakeWorld) -> None:
    """K3-1: config that is in the Secret alone changes under the template."""
    world = make_world("pinned")
    world.settle()
    (before,) = world.templates
    secret = world.api.objects["Secret", "my-agent"]
    world.use_model("m2")
    world.reconcile()
    (after,) = world.templates
    assert uid_of(after) == uid_of(before)
    assert world.api.objects["Secret", "my-agent"]["data"] != secret["data"]


def test_k3_change_of_the_shape(make_world: MakeWorld) -> None:
    """K3-2: another shape makes another template; both stay (K3-4)."""
    world = make_world("pinned")
    world.settle()
    world.api.edit(SandboxAgent, "my-agent", {"spec": {"substrate": {"workerPoolRef": {"name": "x"}}}})
    world.settle()
    assert len(world.names) == 2


def test_k3_drift_under_one_name(make_world: MakeWorld) -> None:
    """K3-3: a template that is not what its name says is removed and made anew, one step per pass."""
    world = make_world("pinned")
    world.settle()
    (name,) = world.names
    world.api.edit(ActorTemplate, name, {"spec": {"pauseImage": "other@sha256:2"}})
    world.log.entries.clear()

    world.reconcile()
    assert world.condition("Ready") == ("False", "ActorTemplateRecreating")
    assert [verb for verb, _ in world.log.entries] == ["delete-actor", "status"]
    world.reconcile()
    assert world.names == []
    world.settle()
    assert world.names == [name]
    assert world.condition("Ready") == ("True", "WorkloadReady")


# -- API v2 ---------------------------------------------------------------


def revisions(world: World) -> tuple[str, str]:
    """What the agent's status says of the desired and of the latest successful revision, by template."""
    named = {t["metadata"]["annotations"][names.CONFIG_HASH_ANNOTATION]: name_of(t) for t in world.templates}
    status = world.agent["status"]
    return named[status["desiredRevision"]], named.get(status.get("latestSuccessfulRevision"), "")


def kept_by_a_session(world: World, state: State = State.SUSPENDED) -> str:
    """The first template, to which session actor asr-old refers."""
    world.settle()
    (blue,) = world.names
    world.ate.add("asr-old", blue, state)
    return blue


def test_v2_names_a_template_after_the_whole_revision(make_world: MakeWorld) -> None:
    """A template MUST be named after agent, harness and revision, which is 64 digits long."""
    world = make_world("refcount")
    world.reconcile()
    (template,) = world.templates
    revision = template["metadata"]["annotations"][names.CONFIG_HASH_ANNOTATION]
    assert len(revision) == 64
    assert name_of(template) == f"my-agent-kagent-{revision[:12]}"
    assert world.agent["status"]["desiredRevision"] == revision
    assert "latestSuccessfulRevision" not in world.agent["status"]


def test_v2_says_which_revision_serves(make_world: MakeWorld) -> None:
    """V2-1, V2-3: until the desired revision is Ready the latest MUST stay, and Ready MUST be False."""
    world = make_world("refcount")
    world.settle()
    (blue,) = world.names
    assert revisions(world) == (blue, blue)
    world.use_model("m2")
    world.reconcile()
    green = world.desired
    assert revisions(world) == (green, blue)
    assert world.condition("Ready") == ("False", "ActorTemplatePending")
    world.build_all()
    world.reconcile()
    assert revisions(world) == (green, green)
    assert world.condition("Ready") == ("True", "WorkloadReady")


@pytest.mark.parametrize("state", [State.RUNNING, State.SUSPENDED, State.PAUSED])
def test_v2_keeps_what_a_session_refers_to(make_world: MakeWorld, state: State) -> None:
    """V2-2: a template MUST stay while a session refers to it, whatever that does, and go once none does."""
    world = make_world("refcount")
    blue = kept_by_a_session(world, state)
    world.use_model("m2")
    world.settle_held(8)
    assert blue in world.names
    assert world.ate.actors["asr-old"].state is state
    assert world.events() == []
    del world.ate.actors["asr-old"]
    world.settle()
    assert blue not in world.names
    assert len(world.ate.actors) == 1


def test_v2_takes_a_mark_back_where_a_session_was_quicker(make_world: MakeWorld) -> None:
    """A template that was marked MUST be spared if a session refers to it, or that could never go on."""
    world = make_world("refcount")
    world.settle()
    (blue,) = world.names
    world.use_model("m2")
    world.reconcile()
    world.build_all()
    world.api.edit(ActorTemplate, blue, {"metadata": {"annotations": {RETIRING_ANNOTATION: "now"}}})
    world.ate.add("asr-old", blue, State.SUSPENDED)
    world.settle_held()
    (spared,) = (t for t in world.templates if name_of(t) == blue)
    assert RETIRING_ANNOTATION not in spared["metadata"]["annotations"]


def test_v2_goes_on_past_what_never_becomes_ready(make_world: MakeWorld) -> None:
    """V2-3: a third revision MUST take the place of a second one that never is Ready; that MUST go."""
    world = make_world("refcount")
    blue = kept_by_a_session(world)
    world.use_model("m2")
    world.reconcile()
    stuck = world.desired
    world.use_model("m3")
    world.reconcile()
    newest = world.desired
    world.build(newest)
    world.settle_held()
    assert newest not in (blue, stuck)
    assert set(world.names) == {blue, newest}
    assert revisions(world) == (newest, newest)


def test_v2_turns_back_to_a_revision_that_is_kept(make_world: MakeWorld) -> None:
    """A config that comes back MUST be served by its own template, which a session has kept."""
    world = make_world("refcount")
    blue = kept_by_a_session(world)
    world.use_model("m2")
    world.settle_held()
    world.use_model("m1")
    world.settle()
    assert world.names == [blue]
    assert revisions(world) == (blue, blue)


@pytest.mark.parametrize("owned", [True, False])
def test_v2_overwrites_nothing(make_world: MakeWorld, owned: bool) -> None:
    """V2-4: a template of a revision's name and another spec MUST stay as it is; the agent MUST say so."""
    world = make_world("refcount")
    world.reconcile()
    (template,) = world.templates
    world.api.edit(ActorTemplate, name_of(template), {"spec": {"pauseImage": "other@sha256:2"}})
    if not owned:
        world.api.edit(ActorTemplate, name_of(template), {"metadata": {"ownerReferences": []}})
    before = world.api.all(ActorTemplate)
    assert world.reconcile() is Outcome.AGAIN
    assert world.condition("Ready") == ("False", "ActorTemplateConflict")
    assert world.api.all(ActorTemplate) == before


@pytest.mark.parametrize("dialect", ["retain", "pinned", "refcount"])
def test_deletion_leaves_nothing(make_world: MakeWorld, dialect: str) -> None:
    """C24 holds in every dialect."""
    world = make_world(dialect)
    one_after_the_other(world, "m1", "m2")
    for number, template in enumerate(world.names):
        world.ate.add(f"asr-{number}", template, State.RUNNING)
    world.delete_agent()
    for _ in range(6):
        world.reconcile()
    assert world.api.all(SandboxAgent) == []
    assert world.api.all(ModelConfig) != []
    assert world.ate.actors == {}
