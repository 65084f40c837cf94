"""The moment at which a new template takes over."""

from __future__ import annotations

from fixtures.conformance import conformance, provisional

pytestmark = provisional(since="0.1.0", promote_by="2027-01-31")


@conformance(
    id="BG-C08",
    profile="ROLLOUT",
    level="core",
    features=["SandboxAgentBlueGreen", "SubstrateEchoWorkload"],
    killers=["bg/sticky-session", "bg/request-cut"],
)
def test_next_message_goes_to_the_new_template_and_open_answers_go_on(rollout):
    """Once the new template is Ready a session's next message MUST go to it; open answers MUST NOT be cut."""
    agent, blue = rollout.ready_agent()
    agent.send("talk")
    stream = agent.start("stream", stream_for=10)
    rollout.begun(stream)

    agent.edit("two")
    green = agent.green_template(blue)
    still_open = not stream.done
    after = agent.send("talk")
    streamed = rollout.answered(stream)

    rollout.decided(still_open, "the stream ended before the new template was Ready")
    assert (after.template, after.instruction) == (green.name, "two")
    assert streamed.ok
    assert streamed.template == blue.name
    # Memory is not carried over: the session's actor is a new one, started from the golden snapshot.
    assert (after.boot_count, after.served) == (2, 1)
