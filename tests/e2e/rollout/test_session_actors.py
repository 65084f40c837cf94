"""Which actor a session has."""

from __future__ import annotations

import pytest

from fixtures.conformance import conformance, provisional

pytestmark = provisional(since="0.1.0", promote_by="2027-01-31")

#: A session id as clients make them.
UUID = "11111111-2222-4333-8444-555555555555"


@conformance(
    id="BG-C05",
    profile="ROLLOUT",
    level="core",
    features=["SandboxAgentBlueGreen", "SubstrateEchoWorkload"],
    killers=["bg/salt-id"],
)
@pytest.mark.parametrize("session", ["sess-1", UUID])
def test_session_has_one_actor_per_template(rollout, session):
    """A session MUST keep its actor while the template stays, and MUST have another one of another
    template.
    """
    agent, blue = rollout.ready_agent()

    first, second = agent.send(session), agent.send(session)
    agent.edit("two")
    agent.green_template(blue)
    third = agent.send(session)

    assert first.actor == second.actor != third.actor
    assert first.actor.startswith("asr-")
    assert third.actor.startswith("asr-")
    # The actor's memory went on, so it is the same one in truth.
    assert second.served == first.served + 1
