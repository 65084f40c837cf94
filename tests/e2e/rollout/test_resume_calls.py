"""When an actor is resumed."""

from __future__ import annotations

from fixtures.conformance import conformance, provisional

pytestmark = provisional(since="0.1.0", promote_by="2027-01-31")


@conformance(
    id="BG-C12",
    profile="ROLLOUT",
    level="core",
    features=["SubstrateEchoWorkload"],
    killers=["bg/double-resume"],
)
def test_only_a_suspended_actor_is_resumed(rollout):
    """A suspended actor MUST be resumed for a message; one that runs MUST NOT be."""
    agent, _ = rollout.ready_agent()
    stream = agent.start("s-1", stream_for=1.5)
    actor = rollout.begun(stream).actor

    during = agent.send("s-1")
    still_open = not stream.done
    rollout.answered(stream)
    rollout.actor_is(actor, "SUSPENDED")
    resumed = rollout.calls("ResumeActor", source="gateway", actor=actor)
    after = agent.send("s-1")

    rollout.decided(still_open, "the stream ended before the second message was answered")
    assert during.actor == after.actor == actor
    assert len(resumed) == 1
    assert len(rollout.calls("ResumeActor", source="gateway", actor=actor)) == 2
