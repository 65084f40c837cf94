"""What happens to an actor after its turn."""

from __future__ import annotations

from fixtures.conformance import conformance, provisional

pytestmark = provisional(since="0.1.0", promote_by="2027-01-31")


@conformance(
    id="BG-C11",
    profile="ROLLOUT",
    level="core",
    features=["SubstrateEchoWorkload"],
    killers=["bg/no-suspend"],
)
def test_actor_is_suspended_once_after_its_turn(rollout):
    """After the last body is closed the actor MUST be suspended, once; a message without session MUST be
    refused.
    """
    agent, _ = rollout.ready_agent()
    refused = rollout.answered(agent.start(None, may_fail=True))

    answer = agent.send("s-1")
    rollout.actor_is(answer.actor, "SUSPENDED")
    again = agent.send("s-1")
    rollout.actor_is(answer.actor, "SUSPENDED")

    assert refused.error == "message contextId (session id) is required for substrate sandbox agents"
    assert (again.actor, again.boot_count) == (answer.actor, answer.boot_count + 1)
    suspended = rollout.calls("SuspendActor", source="gateway", actor=answer.actor)
    assert [call.code for call in suspended] == ["OK", "OK"]
    assert suspended[0].began >= answer.began
