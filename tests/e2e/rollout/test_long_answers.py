"""Answers that are still going on when a template is superseded."""

from __future__ import annotations

from fixtures.conformance import conformance, provisional
from fixtures.kube.kinds import EVENT
from fixtures.system.rollout.handles import BOOTS_A_SECOND

pytestmark = provisional(since="0.1.0", promote_by="2027-01-31")


@conformance(
    id="BG-R05",
    profile="ROLLOUT",
    level="core",
    features=["SandboxAgentRetirement", "SubstrateEchoWorkload"],
    killers=["bg/strand-live", "bg/suspend-recompute", "bg/v1"],
)
def test_template_stays_while_an_answer_goes_on(rollout):
    """A template MUST stay while an actor of it answers; afterwards the actor MUST be suspended, and both
    MUST go.
    """
    agent, blue = rollout.ready_agent(message=f"one {BOOTS_A_SECOND}")
    stream = agent.start("s-1", stream_for=10)
    actor = rollout.begun(stream).actor

    agent.edit("two")
    agent.next_template(blue)
    rollout.stays(blue)
    still_open = not stream.done
    answer = rollout.answered(stream)
    rollout.actor_is(actor, "SUSPENDED", "")
    rollout.gone(blue)
    remaining = rollout.settles(agent)

    rollout.decided(still_open, "the stream ended before the old template could have gone")
    assert answer.ok
    assert answer.actor == actor
    assert [c.ok for c in rollout.calls("SuspendActor", source="gateway", actor=actor)] == [True]
    assert remaining.uid != blue.uid
    # No worker is left with an actor of a template that is gone.
    assert {w.actor for w in rollout.workers()} <= {"", *(a.id for a in rollout.actors())}


@conformance(
    id="BG-RO4",
    profile="ROLLOUT",
    level="extended",
    strength="SHOULD",
    features=["SandboxAgentSafeRetirement", "SubstrateEchoWorkload"],
    killers=["bg/silent-block"],
)
def test_blocked_retirement_is_told(rollout, wait):
    """A retirement that an actor blocks SHOULD be told by an Event that names the actor, once a minute at
    most.
    """
    agent, blue = rollout.ready_agent()
    stream = agent.start("s-1", stream_for=10)
    actor = rollout.begun(stream).actor

    agent.edit("two")
    agent.next_template(blue)
    rollout.stays(blue)
    told = [e.object.raw for e in rollout.wait.history().of(EVENT)]
    rollout.answered(stream)

    blocked = [event for event in told if event["reason"] == "RetirementBlocked"]
    assert len(blocked) == 1
    assert actor in blocked[0]["message"]
    assert blocked[0]["involvedObject"]["uid"] == agent.uid
    assert blocked[0]["count"] == 1


@conformance(
    id="BG-R17",
    profile="ROLLOUT",
    level="core",
    features=["SubstrateEchoWorkload"],
    killers=["bg/no-inflight-count", "bg/v1"],
)
def test_first_of_two_turns_does_not_suspend_the_actor(rollout):
    """While a session has two turns the end of the first MUST NOT suspend the actor; that of the last MUST,
    once.
    """
    agent, _ = rollout.ready_agent()
    long = agent.start("s-1", stream_for=8)
    actor = rollout.begun(long).actor

    short = [agent.send("s-1") for _ in range(2)]
    still_open = not long.done
    answer = rollout.answered(long)
    rollout.actor_is(actor, "SUSPENDED")

    rollout.decided(still_open, "the long answer ended before the short ones")
    assert [a.actor for a in short] == [actor, actor]
    assert answer.ok
    assert len(rollout.calls("SuspendActor", source="gateway", actor=actor)) == 1
