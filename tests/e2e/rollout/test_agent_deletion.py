"""What is left of an agent that is deleted."""

from __future__ import annotations

import pytest

from fixtures.conformance import conformance, provisional
from fixtures.kube.kinds import ACTOR_TEMPLATE, SECRET
from fixtures.system.rollout.rpcproxy import Fault

pytestmark = provisional(since="0.1.0", promote_by="2027-01-31")


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
@pytest.mark.parametrize("step", ["building", "stuck", "retiring"])
def test_agent_can_be_deleted_at_every_step_of_a_rollout(rollout, wait, step):
    """An agent MUST go at every step of a rollout, with all goldens, actors, templates and Secrets of it."""
    rollout.pool("empty", replicas=0)
    agent, blue = rollout.ready_agent()
    rollout.actor_is(agent.send("s-1").actor, "SUSPENDED")
    half_done = Fault("hold", "DeleteActor", "controller", about=lambda a: a == blue.golden, times=1)
    if step == "building":
        agent.edit("two workload-boot=after:3")
        agent.next_template(blue, ready=False)
    elif step == "stuck":
        agent.patch({"substrate": {"workerPoolRef": {"name": "empty"}}})
        agent.next_template(blue, ready=False)
    with rollout.disturbed(half_done):
        if step == "retiring":
            agent.edit("two")
            rollout.struck(half_done)
        agent.delete()
    wait.gone(agent, limit="agent_gone")
    left = rollout.actors()
    rollout.nothing_is_left(ACTOR_TEMPLATE)
    rollout.nothing_is_left(SECRET)

    assert left == []
