"""Requests for which there is no worker."""

from __future__ import annotations

from fixtures.conformance import conformance, provisional

pytestmark = provisional(since="0.1.0", promote_by="2027-01-31")


@conformance(
    id="BG-C10",
    profile="ROLLOUT",
    level="core",
    features=["SandboxAgentBuffering", "SubstrateEchoWorkload"],
    killers=["bg/no-buffer"],
)
def test_request_waits_for_a_free_worker(deploy):
    """With no free worker a request MUST wait, and MUST be answered once one is free."""
    rollout = deploy()
    rollout.model()
    rollout.pool(replicas=1)
    agent, _ = rollout.ready_agent()
    first = agent.start("first", stream_for=4)
    rollout.begun(first)

    since = rollout.journal.position()
    second = agent.start("second")
    refused = rollout.call_is_refused("ResumeActor", "FAILED_PRECONDITION", since=since)
    waiting = not second.done
    answer = rollout.answered(second)

    assert "no free workers" in refused.text
    assert waiting
    assert answer.ok
    assert rollout.answered(first).ok
    assert answer.began < rollout.answered(first).ended <= answer.ended


@conformance(
    id="BG-R09",
    profile="ROLLOUT",
    level="extended",
    features=["SandboxAgentBuffering", "SandboxAgentRetirement", "SubstrateEchoWorkload"],
    killers=["bg/no-buffer"],
)
def test_waiting_request_follows_the_template_and_can_be_given_up(deploy):
    """A waiting request MUST be served by the template that is active when it gets a worker; MUST be given
    up on.
    """
    rollout = deploy()
    rollout.model()
    rollout.pool(replicas=1)
    agent, blue = rollout.ready_agent()
    occupied = agent.start("occupied", stream_for=6)
    rollout.begun(occupied)
    since = rollout.journal.position()
    given_up = agent.start("given-up")
    rollout.call_is_refused("ResumeActor", "FAILED_PRECONDITION", since=since)
    given_up.hang_up()
    waiting = agent.start("waiting")
    agent.edit("two")
    green = agent.next_template(blue, ready=False)

    rollout.answered(occupied)
    answer = rollout.answered(waiting)

    # A build and a session compete for the one worker: whichever comes first, the answer is of the active
    # one.
    assert answer.template in (blue.name, green.name)
    rollout.settles(agent)
    actor_of_who_gave_up = rollout.calls("CreateActor", source="gateway", since=since)[0].actor
    resumed = [c for c in rollout.calls("ResumeActor", actor=actor_of_who_gave_up, since=since) if c.ok]
    assert resumed == []
