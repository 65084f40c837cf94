"""Sessions whose ids look alike."""

from __future__ import annotations

import pytest

from fixtures.conformance import conformance, provisional

pytestmark = provisional(since="0.1.0", promote_by="2027-01-31")

#: Pairs (agent, session) that other forms of ids give one actor (rollout contract, section 3).
PAIRS = {
    "agent-or-session": (("foo", "bar-1"), ("foo-bar", "1")),
    "case-and-underscore": (("foo", "S_1"), ("foo", "s-1")),
    "blank": (("foo", "s-1"), ("foo", "s--1")),
}


@conformance(
    id="BG-RO2",
    profile="ROLLOUT",
    level="core",
    features=["SandboxAgentSafeRetirement", "SubstrateEchoWorkload"],
    killers=["bg/raw-session-id"],
)
@pytest.mark.parametrize("pair", sorted(PAIRS))
def test_different_sessions_share_no_actor(rollout, pair):
    """Different sessions MUST NOT share an actor, however much agents and sessions look alike."""
    (one_agent, one_session), (other_agent, other_session) = PAIRS[pair]
    agents = {name: rollout.ready_agent(name)[0] for name in sorted({one_agent, other_agent})}

    one = agents[one_agent].send(one_session)
    other = agents[other_agent].send(other_session)
    again = agents[one_agent].send(one_session)

    assert one.actor != other.actor
    assert again.actor == one.actor
    assert (one.served, other.served, again.served) == (1, 1, 2)


@conformance(
    id="BG-R14",
    profile="ROLLOUT",
    level="core",
    features=["SandboxAgentRetirement", "SubstrateEchoWorkload"],
    killers=["bg/reap-prefix-miss", "bg/v1"],
)
def test_no_stale_actor_of_a_long_session_id_is_left(rollout):
    """No actor of a superseded template MUST be left, of short session ids or of UUIDs."""
    agent, blue = rollout.ready_agent()
    sessions = ["sess-1", "11111111-2222-4333-8444-555555555555", "99999999-2222-4333-8444-555555555555"]
    actors = [agent.send(session).actor for session in sessions]
    for actor in actors:
        rollout.actor_is(actor, "SUSPENDED")

    agent.edit("two")
    rollout.gone(blue)
    rollout.settles(agent)

    assert [rollout.actor(actor) for actor in actors] == [None] * 3


@conformance(
    id="BG-I8", profile="ROLLOUT", level="core", features=["SubstrateEchoWorkload"], killers=["bg/v1"]
)
def test_rollout_of_one_agent_touches_nothing_of_another(rollout):
    """The rollout of one agent MUST NOT touch templates or actors of another whose name begins the same."""
    foo, foo_blue = rollout.ready_agent("foo")
    other, other_blue = rollout.ready_agent("foo-bar")
    other_session = other.send("1")
    rollout.actor_is(other_session.actor, "SUSPENDED")
    foo.send("bar-1")
    stored = rollout.live(other_blue)

    foo.edit("two")
    foo.next_template(foo_blue)
    rollout.stays(other_blue)

    assert rollout.live(other_blue).resource_version == stored.resource_version
    assert [a.state for a in rollout.actors() if a.id == other_session.actor] == ["SUSPENDED"]
    assert other.send("1").actor == other_session.actor
