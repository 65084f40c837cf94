"""From config to template in dialect v1_safe: names, order, ownership, and what is wrong with a config."""

from __future__ import annotations

import base64
from contextlib import suppress

import pytest

from reference.rollout import names
from reference.rollout.controller.api import Secret
from reference.rollout.controller.objects import uid_of
from reference.rollout.controller.passes import Outcome
from reference.rollout.kinds import ActorTemplate, ModelConfig, SandboxAgent
from tests.unit.rollout.controller.conftest import MakeWorld
from tests.unit.rollout.controller.world import Killed, World


def place(template: dict) -> int:  # type: ignore[type-arg]
    """Its place in the order."""
    return int(template["metadata"]["annotations"][names.DESIRED_GENERATION_ANNOTATION])


def test_first_pass(world: World) -> None:
    """C1: the first pass MUST make one template, named, labelled and owned as it should be."""
    assert world.reconcile() is Outcome.DONE

    (template,) = world.templates
    metadata = template["metadata"]
    short = metadata["annotations"][names.CONFIG_HASH_ANNOTATION]
    assert metadata["name"] == f"my-agent-{short}"
    assert metadata["labels"] == {
        "app.kubernetes.io/managed-by": "kagent",
        "kagent.dev/sandbox-agent": "my-agent",
    }
    (owner,) = metadata["ownerReferences"]
    assert (owner["uid"], owner["controller"]) == (uid_of(world.agent), True)
    assert world.agent["metadata"]["finalizers"] == [names.FINALIZER]
    assert world.condition("Accepted") == ("True", "Reconciled")
    assert world.condition("Ready") == ("False", "ActorTemplateNotReady")
    assert world.agent["status"]["observedGeneration"] == 1


def test_secret_of_a_template(world: World) -> None:
    """The config Secret MUST be the template's, and hold what the template's variables name."""
    world.settle()

    (template,) = world.templates
    (secret,) = world.api.all(Secret)
    assert secret["metadata"]["name"] == template["metadata"]["name"]
    assert secret["metadata"]["ownerReferences"][0]["uid"] == uid_of(template)
    assert b'"model":"m1"' in base64.b64decode(secret["data"]["config.json"])
    env = {variable["name"]: variable for variable in template["spec"]["containers"][0]["env"]}
    reference = env["KAGENT_CONFIG_JSON"]["valueFrom"]["secretKeyRef"]
    assert reference == {"name": secret["metadata"]["name"], "key": "config.json"}


def test_passes_without_a_change(world: World) -> None:
    """C2: passes over an unchanged config MUST write nothing."""
    world.settle()
    world.log.entries.clear()

    for _ in range(50):
        assert world.reconcile() is Outcome.DONE
    assert world.log.entries == []


def test_no_call_with_one_template(world: World) -> None:
    """C13: with one template ate-api MUST NOT be asked anything."""
    world.settle()
    assert world.ate.calls == []


@pytest.mark.parametrize("edit", [World.say, World.use_model])
def test_change_of_the_config(world: World, edit: object) -> None:
    """C3, C7: a change MUST make another template and leave the one that serves as it is."""
    world.settle()
    (blue,) = world.templates
    edit(world, "changed")  # type: ignore[operator]
    world.reconcile()

    green, again = sorted(world.templates, key=place, reverse=True)
    assert again == blue
    assert green["metadata"]["name"] != blue["metadata"]["name"]
    assert place(green) > place(blue)
    assert world.condition("Ready") == ("True", "WorkloadReady")


def test_edit_that_renders_the_same(world: World) -> None:
    """An edit that changes nothing in the golden MUST NOT make a template."""
    world.settle()
    world.api.edit(SandboxAgent, "my-agent", {"spec": {"type": "Declarative", "description": "x"}})
    world.reconcile()
    assert len(world.templates) == 1


@pytest.mark.parametrize(
    "patch",
    [
        {"substrate": {"workerPoolRef": {"name": "other"}}},
        {"substrate": {"snapshotsConfig": {"location": "gs://elsewhere"}}},
    ],
)
def test_change_of_the_shape_alone(world: World, patch: dict) -> None:  # type: ignore[type-arg]
    """A spec is immutable, so what changes it alone MUST make another template, too."""
    world.settle()
    world.api.edit(SandboxAgent, "my-agent", {"spec": patch})
    world.reconcile()
    assert len(world.templates) == 2
    assert world.condition("Accepted") == ("True", "Reconciled")


def test_flip_back_before_and_after_ready(world: World) -> None:
    """RO-1, D5, D17: a config that comes back MUST be first in the order at once, generation or not."""
    world.settle()
    (blue,) = world.names
    world.use_model("m2")
    world.reconcile()
    world.use_model("m1")
    world.reconcile()

    assert world.desired == blue
    assert world.active is not None and world.active["metadata"]["name"] == blue
    world.settle()
    assert world.names == [blue]


def test_ten_changes_in_a_second(world: World) -> None:
    """D6: the last of several changes within a second MUST be the one that is kept (I2, I9)."""
    world.settle()
    for number in range(10):
        world.use_model(f"m{number}")
        world.reconcile()
        world.clock.advance(0.1)
    last = world.desired
    world.settle()

    assert world.names == [last]
    assert world.secrets() == [last]
    assert len(world.ate.actors) == 1


def test_order_is_never_lowered(world: World) -> None:
    """RO-1: a place in the order MUST NOT be lowered."""
    world.settle()
    (template,) = world.templates
    world.api.edit(
        ActorTemplate,
        template["metadata"]["name"],
        {"metadata": {"annotations": {names.DESIRED_GENERATION_ANNOTATION: "40"}}},
    )
    world.reconcile()
    world.use_model("m2")
    world.reconcile()
    assert sorted(place(t) for t in world.templates) == [40, 41]


def test_name_taken_by_another(world: World) -> None:
    """C27: a template of the right name with another controller MUST NOT be adopted."""
    world.reconcile()
    (name,) = world.names
    stranger = {"ownerReferences": [{"uid": "stranger", "controller": True, "kind": "SandboxAgent"}]}
    world.api.edit(ActorTemplate, name, {"metadata": stranger})
    before = world.api.all(ActorTemplate)

    assert world.reconcile() is Outcome.AGAIN
    assert world.condition("Accepted") == ("False", "ReconcileFailed")
    assert "is not controlled by this agent" in world.message("Accepted")
    assert world.api.all(ActorTemplate) == before


def test_name_of_64_characters(make_world: MakeWorld) -> None:
    """D13: a name that is no label MUST be said to be one, once, without anything being made."""
    world = make_world(agent="a" * 64)
    for _ in range(5):
        assert world.reconcile() is Outcome.AGAIN
    assert world.names == []
    assert world.condition("Accepted") == ("False", "ReconcileFailed")
    assert "the agent's name has 64 characters" in world.message("Accepted")
    ((reason, message, count),) = world.events()
    assert (reason, count) == ("ReconcileFailed", 1)
    assert message == world.message("Accepted")


@pytest.mark.parametrize("length", [46, 47, 63])
def test_long_names(make_world: MakeWorld, length: int) -> None:
    """C4: a name of at most 63 characters MUST do."""
    world = make_world(agent="a" * length)
    world.settle()
    (name,) = world.names
    assert names.is_dns_label(name)


def test_missing_model_config(world: World) -> None:
    """A missing input MUST be named, and what serves MUST go on serving."""
    world.settle()
    world.api.remove(ModelConfig, "model")

    assert world.reconcile() is Outcome.AGAIN
    assert world.condition("Accepted") == ("False", "ReconcileFailed")
    assert world.message("Accepted") == "ModelConfig model, which the agent names, does not exist"
    assert world.condition("Ready") == ("True", "WorkloadReady")
    assert world.reconcile() is Outcome.AGAIN
    assert [count for _, _, count in world.events()] == [1]


def test_missing_secret_and_key(world: World) -> None:
    """A missing Secret, and a missing key, MUST be named with who wants it."""
    world.api.edit(
        ModelConfig, "model", {"spec": {"model": "m1", "apiKeySecret": "key", "apiKeySecretKey": "k"}}
    )
    world.reconcile()
    assert world.message("Accepted") == "Secret key, which ModelConfig model names, does not exist"

    world.create(Secret, {"metadata": {"name": "key"}, "data": {}})
    world.reconcile()
    assert world.message("Accepted") == "Secret key, which ModelConfig model names, has no key k"


def test_secret_values_are_the_template_s_own(world: World) -> None:
    """C26: a template MUST take secret values from its own Secret, which no later edit reaches."""
    secret = {"metadata": {"name": "key"}, "data": {"k": base64.b64encode(b"one").decode()}}
    world.create(Secret, secret)
    world.api.edit(
        ModelConfig, "model", {"spec": {"model": "m1", "apiKeySecret": "key", "apiKeySecretKey": "k"}}
    )
    world.settle()
    world.api.edit(Secret, "key", {"data": {"k": base64.b64encode(b"two").decode()}})
    world.reconcile()

    values = set()
    for template in world.templates:
        (reference,) = [
            variable["valueFrom"]["secretKeyRef"]
            for variable in template["spec"]["containers"][0]["env"]
            if variable["name"] == "KAGENT_API_KEY"
        ]
        assert reference["name"] == template["metadata"]["name"]
        own = world.api.objects["Secret", reference["name"]]
        values.add(base64.b64decode(own["data"][reference["key"]]))
    assert values == {b"one", b"two"}


def test_spec_that_the_server_rejects(world: World) -> None:
    """A refusal of the API server MUST be quoted, in condition and Event."""
    world.settle()
    world.use_model("m2")
    world.reconcile()
    green = world.desired
    world.api.remove(ActorTemplate, green)
    world.api.refused["ActorTemplate", green] = 422

    assert world.reconcile() is Outcome.AGAIN
    assert world.condition("Accepted") == ("False", "ReconcileFailed")
    assert world.message("Accepted").startswith("API server: ")
    assert world.condition("Ready") == ("True", "WorkloadReady")


def test_conflict_says_nothing(world: World) -> None:
    """A write that somebody else was quicker with MUST be tried again without a word to the user."""
    world.settle()
    world.use_model("m2")
    world.reconcile()
    world.use_model("m1")
    blue = next(name for name in world.names if name != world.desired)
    world.api.refused["ActorTemplate", blue] = 409

    assert world.reconcile() is Outcome.AGAIN
    assert world.condition("Accepted") == ("True", "Reconciled")
    assert world.events() == []
    world.api.refused.clear()
    world.settle()
    assert world.names == [blue]


def byo(image: str = "tool@sha256:1", value: str = "1") -> dict:  # type: ignore[type-arg]
    """The spec of a BYO agent."""
    return {
        "type": "BYO",
        "declarative": None,
        "byo": {"image": image, "cmd": "/tool", "args": ["-v"], "env": [{"name": "A", "value": value}]},
    }


def test_byo_agents_are_rolled_out(world: World) -> None:
    """D19: an edit of a BYO agent MUST make another template, too."""
    world.api.edit(SandboxAgent, "my-agent", {"spec": byo()})
    world.settle()
    (template,) = world.templates
    container = template["spec"]["containers"][0]
    assert (container["image"], container["command"]) == ("tool@sha256:1", ["/tool", "-v"])
    assert world.secrets() == []

    world.api.edit(SandboxAgent, "my-agent", {"spec": byo(value="2")})
    world.reconcile()
    assert len(world.templates) == 2


def test_image_without_a_digest(world: World) -> None:
    """An image that is not pinned MUST be refused by name."""
    world.api.edit(SandboxAgent, "my-agent", {"spec": byo(image="tool:latest")})
    assert world.reconcile() is Outcome.AGAIN
    assert world.message("Accepted") == "image tool:latest is not pinned by digest (it has no @)"
    assert world.names == []


def test_kill_between_secret_and_template(world: World) -> None:
    """I11: a config Secret that a kill left without its template MUST end up with it, or go."""
    world.settle()
    for allowed in range(8):
        world.use_model(f"killed-{allowed}")
        world.log.allowed = allowed
        with suppress(Killed):
            world.reconcile()
        world.log.allowed = None
    world.settle()

    assert len(world.names) == 1
    assert world.secrets() == world.names
