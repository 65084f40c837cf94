"""Templates and workers that are lost behind everybody's back."""

from __future__ import annotations

from fixtures.conformance import conformance, provisional
from fixtures.kube.kinds import ACTOR_TEMPLATE

pytestmark = provisional(since="0.1.0", promote_by="2027-01-31")


@conformance(
    id="BG-R19", profile="ROLLOUT", level="extended", features=["SubstrateEchoWorkload"], killers=["bg/churn"]
)
def test_template_that_was_deleted_is_made_anew(rollout):
    """A template that somebody deletes MUST be made anew, and sessions MUST go on with it."""
    agent, template = rollout.ready_agent()
    before = agent.send("s-1")
    rollout.actor_is(before.actor, "SUSPENDED")
    rollout.excused.templates.add(template.name)

    rollout.api.delete(ACTOR_TEMPLATE, template.name, rollout.namespace)
    anew = agent.next_template(template)
    after = agent.send("s-1")

    assert anew.name == template.name
    assert after.ok
    assert after.template == anew.name


@conformance(
    id="BG-R20",
    profile="ROLLOUT",
    level="extended",
    features=["SubstrateEchoWorkload"],
    killers=["bg/worker-loss-ignored"],
)
def test_session_goes_on_after_its_worker_was_lost(rollout):
    """A session whose worker is lost in the middle of an answer MUST be served again afterwards."""
    agent, _ = rollout.ready_agent()
    rollout.excused.failing_turns = True
    rollout.excused.invariants.add("I6")
    stream = agent.start("s-1", stream_for=10, may_fail=True)
    actor = rollout.begun(stream).actor

    rollout.lose_worker(actor)
    cut = rollout.answered(stream)
    after = agent.send("s-1")

    assert not cut.ok
    assert after.ok
    assert after.actor == actor
