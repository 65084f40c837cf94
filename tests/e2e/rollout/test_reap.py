"""Which session actors are reaped."""

from __future__ import annotations

from fixtures.conformance import conformance, provisional
from fixtures.system.rollout.handles import BOOTS_A_SECOND
from fixtures.system.rollout.rpcproxy import Fault

pytestmark = provisional(since="0.1.0", promote_by="2027-01-31")


@conformance(
    id="BG-C19",
    profile="ROLLOUT",
    level="core",
    features=["SandboxAgentRetirement", "SubstrateEchoWorkload"],
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
    features=["SandboxAgentRetirement", "SubstrateEchoWorkload"],
    killers=["bg/force-suspend", "bg/strand-live", "bg/v1"],
)
def test_running_actor_of_a_superseded_template_is_left_until_it_is_suspended(rollout):
    """An actor that runs MUST be left alone, and its template kept, until it is suspended; then both MUST
    go.
    """
    agent, blue = rollout.ready_agent(message=f"one {BOOTS_A_SECOND}")
    actor = agent.send("s-1").actor
    rollout.actor_is(actor, "SUSPENDED")
    rollout.wake(actor)

    agent.edit("two")
    agent.next_template(blue)
    rollout.stays(blue)
    running = rollout.actor(actor)
    rollout.put_to_sleep(actor)
    rollout.gone(blue)

    assert running is not None
    assert running.state == "RUNNING"
    assert rollout.actor(actor) is None
    assert [
        c.method for c in rollout.calls(source="controller", actor=actor) if c.ok and c.method != "GetActor"
    ] == ["DeleteActor"]


@conformance(
    id="BG-C21",
    profile="ROLLOUT",
    level="core",
    features=["SandboxAgentRetirement", "SubstrateEchoWorkload"],
    killers=["bg/reap-active"],
)
def test_idle_actors_of_the_active_template_are_not_reaped(rollout):
    """Idle actors of the active template, and its golden, MUST stay, however often others are looked for."""
    agent, blue = rollout.ready_agent()
    busy = agent.send("busy").actor
    rollout.actor_is(busy, "SUSPENDED")
    # It keeps the old template, so the controller comes back again and again.
    rollout.wake(busy)
    agent.edit("two")
    green = agent.green_template(blue)
    before = agent.send("idle")
    rollout.actor_is(before.actor, "SUSPENDED")

    rollout.stays(blue)
    after = agent.send("idle")
    rollout.put_to_sleep(busy)
    rollout.gone(blue)
    rollout.settles(agent)

    assert before.template == green.name
    assert (after.actor, after.served) == (before.actor, before.served + 1)
    deleted = {c.actor for c in rollout.calls("DeleteActor", source="controller") if c.ok}
    assert {busy, blue.golden} <= deleted
    assert {before.actor, green.golden} & deleted == set()


@conformance(
    id="BG-D7",
    profile="ROLLOUT",
    level="core",
    features=["SandboxAgentRetirement"],
    killers=["bg/prefix-owner", "bg/v1"],
)
def test_actor_whose_id_begins_like_an_agents_own_is_left(rollout):
    """What belongs to an agent MUST be told by the template, not by how the id of an actor begins."""
    foo, foo_blue = rollout.ready_agent("foo")
    other, other_blue = rollout.ready_agent("foo-bar")
    theirs = other.actor_without_hash("1", other_blue)

    foo.edit("two")
    rollout.gone(foo_blue)
    rollout.settles(foo)

    rollout.decided("-foo-bar-1" in theirs, f"the actor is called {theirs}")
    assert [a.state for a in rollout.actors() if a.id == theirs] == ["SUSPENDED"]
    assert rollout.calls("DeleteActor", actor=theirs) == []
