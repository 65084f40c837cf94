"""What the end of a session removes, where templates stay."""

from __future__ import annotations

from fixtures.conformance import conformance, provisional

pytestmark = provisional(since="0.1.0", promote_by="2027-01-31")


@conformance(
    id="BG-K24",
    profile="ROLLOUT",
    level="extended",
    features=["SubstrateEchoWorkload"],
    killers=["bg/delete-active-only"],
)
def test_end_of_a_session_removes_its_actors_of_all_templates(deploy):
    """The end of a session MUST remove its actors of all retained templates, and of none, and no others."""
    rollout = deploy(dialect="retain")
    rollout.model()
    # Actors stay awake here, woken by hand or left by a turn that saw the change: enough for all.
    rollout.pool(replicas=6)
    agent, blue = rollout.ready_agent()
    of_blue = agent.send("s-1").actor
    rollout.actor_is(of_blue, "SUSPENDED")
    # The gateway of this dialect removes idle actors of older templates by itself (K2-5).
    rollout.wake(of_blue)
    agent.edit("two")
    green = agent.green_template(blue)
    of_green, other = agent.send("s-1").actor, agent.send("s-2").actor
    of_none = agent.actor_without_hash("s-1", green)
    for actor in (of_green, other):
        rollout.actor_is(actor, "SUSPENDED")

    ended = agent.end_session("s-1")
    left = {a.id for a in rollout.actors()}

    assert ended == (200, "Session deleted successfully")
    assert left & {of_blue, of_green, of_none} == set()
    assert other in left
    assert {t.uid for t in agent.templates()} == {blue.uid, green.uid}


@conformance(
    id="BG-K34",
    profile="ROLLOUT",
    level="extended",
    features=["SubstrateEchoWorkload"],
    killers=["bg/early-retire"],
)
def test_nothing_goes_but_the_actor_of_a_session_that_ends(deploy):
    """Where sessions stay on their template none MUST be retired; a session's end MUST remove one actor."""
    rollout = deploy(dialect="pinned")
    rollout.model()
    rollout.pool()
    agent = rollout.byo_agent(env={"GREETING": "one"})
    blue = agent.first_template()
    old = agent.send("old").actor
    rollout.actor_is(old, "SUSPENDED")

    agent.patch({"byo": {"env": [{"name": "GREETING", "value": "two"}]}})
    green = agent.green_template(blue)
    new, again = agent.send("new"), agent.send("old")
    for actor in (new.actor, old):
        rollout.actor_is(actor, "SUSPENDED")
    rollout.stays(blue)
    before = {a.id for a in rollout.actors()}
    ended = agent.end_session("old")

    assert (new.template, again.template, again.actor) == (green.name, blue.name, old)
    assert ended == (200, "Session deleted successfully")
    assert {a.id for a in rollout.actors()} == before - {old}
    assert [c.actor for c in rollout.calls("DeleteActor") if c.ok] == [old]
