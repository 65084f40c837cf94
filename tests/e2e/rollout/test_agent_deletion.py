"""What is left of an agent that is deleted."""

from __future__ import annotations

import pytest

from fixtures.conformance import conformance, provisional
from fixtures.kube.kinds import ACTOR_TEMPLATE, SECRET
from fixtures.system.rollout.rpcproxy import Fault

pytestmark = provisional(since="0.1.0", promote_by="2027-01-31")


def nothing_is_left(rollout):
    """Return when templates and Secrets are gone; no actor may be left."""
    left = rollout.actors()
    rollout.nothing_is_left(ACTOR_TEMPLATE)
    rollout.nothing_is_left(SECRET)

    assert left == []


@conformance(
    id="BG-C24",
    profile="ROLLOUT",
    level="core",
    features=["SubstrateEchoWorkload"],
    killers=["bg/finalizer-early", "bg/delete-stuck"],
)
def test_nothing_is_left_of_a_deleted_agent(rollout, wait):
    """Of an agent that is deleted in the middle of a rollout nothing MUST be left: sessions, goldens,
    templates.
    """
    agent, blue = rollout.ready_agent()
    idle = agent.send("idle").actor
    rollout.actor_is(idle, "SUSPENDED")
    # The only place where an actor at work may be suspended by force.
    busy = agent.start("busy", stream_for=20, may_fail=True)
    actor = rollout.begun(busy).actor
    agent.edit("two workload-boot=after:1")
    agent.next_template(blue, ready=False)

    agent.delete()
    wait.gone(agent, limit="agent_gone")
    left = rollout.actors()
    rollout.nothing_is_left(ACTOR_TEMPLATE)

    assert left == []
    assert [c.source for c in rollout.calls("SuspendActor", actor=actor) if c.ok] == ["controller"]


@conformance(
    id="BG-R18",
    profile="ROLLOUT",
    level="core",
    features=["SubstrateEchoWorkload"],
    killers=["bg/leave-goldens"],
)
@pytest.mark.parametrize("step", ["building", "stuck"])
def test_agent_can_be_deleted_while_a_template_is_built(rollout, wait, step):
    """An agent MUST go while a template of it is built or cannot be, with all goldens, actors, templates and
    Secrets of it.
    """
    rollout.pool("empty", replicas=0)
    agent, blue = rollout.ready_agent()
    rollout.actor_is(agent.send("s-1").actor, "SUSPENDED")
    if step == "building":
        agent.edit("two workload-boot=after:3")
    else:
        agent.edit("two", pool="empty")
    agent.next_template(blue, ready=False)

    agent.delete()
    wait.gone(agent, limit="agent_gone")

    nothing_is_left(rollout)


@conformance(
    id="BG-R18b",
    profile="ROLLOUT",
    level="core",
    features=["SandboxAgentRetirement", "SubstrateEchoWorkload"],
    killers=["bg/leave-goldens"],
)
def test_agent_can_be_deleted_in_the_middle_of_a_retirement(rollout, wait):
    """An agent MUST go between two steps of a retirement, with all goldens, actors, templates and Secrets of
    it.
    """
    agent, blue = rollout.ready_agent()
    rollout.actor_is(agent.send("s-1").actor, "SUSPENDED")
    half_done = Fault("hold", "DeleteActor", "controller", about=lambda a: a == blue.golden, times=1)
    with rollout.disturbed(half_done):
        agent.edit("two")
        rollout.struck(half_done)
        agent.delete()
    wait.gone(agent, limit="agent_gone")

    nothing_is_left(rollout)


@conformance(
    id="BG-R18c",
    profile="ROLLOUT",
    level="extended",
    features=["SandboxAgentSafeRetirement", "SubstrateOwned"],
    killers=["bg/delete-unguarded"],
)
def test_golden_minted_while_its_template_is_deleted_goes_first(deploy, wait):
    """A template of a deleted agent MUST NOT go before its golden, minted while the template is deleted."""
    rollout = deploy(api_proxied=["controller", "substrate"])
    rollout.model()
    rollout.pool()
    agent, blue = rollout.ready_agent()
    minting = {"verb": "patch", "plural": "actortemplates", "subresource": "status", "times": 1}
    with rollout.api_disturbed("hold", **minting) as named_late:
        agent.edit("two")
        green = agent.next_template(blue, ready=False)
        rollout.has_struck(named_late)
        removal = {"verb": "delete", "plural": "actortemplates", "name": green.name, "times": 1}
        with rollout.api_disturbed("hold", **removal) as removed_late:
            agent.delete()
            rollout.has_struck(removed_late)
            named_late.command("release")
            rollout.has_golden(green)
    wait.gone(agent, limit="agent_gone")

    nothing_is_left(rollout)
