"""When a message is passed on to its actor."""

from __future__ import annotations

import pytest

from fixtures.conformance import conformance, provisional

pytestmark = provisional(since="0.1.0", promote_by="2027-01-31")


@conformance(
    id="BG-C09", profile="ROLLOUT", level="core", features=["SubstrateEchoWorkload"], killers=["bg/no-hold"]
)
@pytest.mark.parametrize(("status", "times", "asked"), [(503, 3, 4), (404, 1, 1)], ids=["ill", "no-page"])
def test_message_is_passed_on_once_its_actor_can_be_reached(rollout, status, times, asked):
    """A message MUST be passed on only once its actor runs and answers for its health with less than 500."""
    agent, _ = rollout.ready_agent()
    with rollout.actors_answer(status, path="/health", times=times):
        answer = agent.send("s-1")

    *questions, message = rollout.visits(answer.actor)
    [resumed] = rollout.calls("ResumeActor", source="gateway", actor=answer.actor)
    assert [(v.method, v.path) for v in questions] == [("GET", "/health")] * asked
    assert [v.status >= 500 for v in questions] == [True] * (asked - 1) + [False]
    assert message.method == "POST"
    assert max(resumed.ended, questions[-1].ended) <= message.began


@conformance(
    id="BG-C09b",
    profile="ROLLOUT",
    level="extended",
    features=["SubstrateEchoWorkload"],
    killers=["bg/no-hold"],
)
def test_actor_that_cannot_be_reached_is_told(deploy):
    """Where an actor cannot be reached the user MUST be told which, and it MUST get no message."""
    rollout = deploy(options={"gateway": ["--patience", "2"]})
    rollout.model()
    rollout.pool()
    agent, _ = rollout.ready_agent()
    with rollout.actors_answer(503, path="/health") as illness:
        refused = rollout.answered(agent.start("s-1", may_fail=True))
    [created] = rollout.calls("CreateActor", source="gateway")
    rollout.actor_is(created.actor, "SUSPENDED")

    assert refused.error == f'substrate session actor "{created.actor}" not reachable via atenet-router'
    assert not refused.ok
    assert illness.hits > 1
    assert {v.method for v in rollout.visits(created.actor)} == {"GET"}
