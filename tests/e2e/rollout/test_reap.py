"""Which session actors are reaped."""

from __future__ import annotations

from fixtures.conformance import conformance, provisional
from fixtures.system.rollout.rpcproxy import Fault

pytestmark = provisional(since="0.1.0", promote_by="2027-01-31")


@conformance(
    id="BG-C19",
    profile="ROLLOUT",
    level="core",
    features=["SandboxAgentRetirement"],
    killers=["bg/v1"],
)
def test_actors_of_other_agents_and_of_current_templates_stay(rollout):
    """Only this agent's actors of superseded templates MUST be reaped, however much names look alike."""
    foo, foo_blue = rollout.ready_agent("foo")
    other, other_blue = rollout.ready_agent("foo-bar")
    mine, theirs = foo.send("bar-1"), other.send("1")
    for answer in (mine, theirs):
        rollout.actor_is(answer.actor, "SUSPENDED")
    # Both of them are superseded; the actors of the other agent may not go with its own controller's help.
    with rollout.disturbed(Fault("fail", "DeleteActor", about=lambda actor: actor == theirs.actor)) as fault:
        foo.edit("two")
        rollout.gone(foo_blue)
    remaining = rollout.settles(foo)

    assert rollout.actor(mine.actor) is None
    assert rollout.actor(theirs.actor).state == "SUSPENDED"
    assert fault.hits == 0
    assert rollout.live(other_blue) is not None
    assert other.send("1").actor == theirs.actor
    assert remaining.name != foo_blue.name


@conformance(
    id="BG-C20",
    profile="ROLLOUT",
    level="core",
    features=["SandboxAgentRetirement"],
    killers=["bg/force-suspend", "bg/strand-live", "bg/v1"],
)
def test_running_actor_of_a_superseded_template_is_left_until_it_is_suspended(rollout):
    """An actor that runs MUST be left alone, and its template kept, until it is suspended; then both MUST
    go.
    """
    agent, blue = rollout.ready_agent()
    actor = agent.send("s-1").actor
    rollout.actor_is(actor, "SUSPENDED")
    rollout.deployment.hand.call("ResumeActor", actor, rollout.namespace)
    rollout.actor_is(actor, "RUNNING")

    agent.edit("two")
    agent.next_template(blue)
    rollout.stays(blue)
    running = rollout.actor(actor)
    rollout.deployment.hand.call("SuspendActor", actor, rollout.namespace)
    rollout.gone(blue)

    assert running is not None
    assert running.state == "RUNNING"
    assert rollout.actor(actor) is None
    assert [
        c.method for c in rollout.calls(source="controller", actor=actor) if c.ok and c.method != "GetActor"
    ] == ["DeleteActor"]
