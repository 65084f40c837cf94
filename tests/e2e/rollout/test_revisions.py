"""Revisions: each session keeps the template that it began on, which goes with its last session."""

from __future__ import annotations

import pytest

from fixtures.conformance import conformance, provisional
from fixtures.journal.predicates import Predicate, condition
from fixtures.kube.kinds import ACTOR_TEMPLATE
from fixtures.system.rollout.rpcproxy import Fault

pytestmark = provisional(since="0.1.0", promote_by="2027-03-31")


def revisions(state):
    """The desired revision and the latest successful one, as an agent's status tells them."""
    return state.status.get("desiredRevision"), state.status.get("latestSuccessfulRevision")


def tells(desired, serving):
    """The status tells the revisions of these templates."""
    return Predicate(
        f"desired is the revision of {desired.name}, latest successful that of {serving.name}",
        lambda s: revisions(s) == (desired.hash, serving.hash),
        lambda s: f"revisions {revisions(s)}",
    )


@pytest.fixture
def rollout(deploy):
    """An empty rollout of dialect refcount, with a model, a pool, and a pool without workers."""
    rollout = deploy(dialect="refcount")
    rollout.model()
    rollout.pool()
    rollout.pool("empty", replicas=0)
    return rollout


@conformance(
    id="BG-V21",
    profile="ROLLOUT",
    level="extended",
    features=["SubstrateEchoWorkload"],
    killers=["bg/early-retire"],
)
def test_latest_ready_revision_serves_new_sessions(rollout, wait):
    """Until the desired revision is Ready new sessions MUST be served by the latest that is; old ones MUST
    stay on theirs.
    """
    agent, blue = rollout.ready_agent()
    wait.until(agent, tells(blue, blue) & condition("Ready", "True"), limit="template_applied")
    old = agent.send("old")

    agent.edit("two", pool="empty")
    green = agent.next_template(blue, ready=False)
    pending = tells(green, blue) & condition("Ready", "False", "ActorTemplatePending")
    wait.until(agent, pending, limit="template_applied")
    rollout.stays(blue)
    during = agent.send("during")
    rollout.scale(3, "empty")
    agent.green_template(blue)
    wait.until(agent, tells(green, green) & condition("Ready", "True"), limit="template_applied")
    after, again, still = agent.send("after"), agent.send("old"), agent.send("during")

    assert (during.template, after.template) == (blue.name, green.name)
    assert (again.template, again.actor, again.boot_count) == (blue.name, old.actor, old.boot_count + 1)
    assert (still.template, still.actor) == (blue.name, during.actor)


@conformance(
    id="BG-V22",
    profile="ROLLOUT",
    level="extended",
    features=["SubstrateEchoWorkload"],
    killers=["bg/count-live"],
)
def test_revision_goes_with_its_last_session(rollout):
    """A revision MUST stay while a session refers to it, asleep or not; then golden and template MUST go."""
    agent, blue = rollout.ready_agent()
    first = agent.send("s-1")
    rollout.actor_is(first.actor, "SUSPENDED")

    agent.edit("two")
    green = agent.next_template(blue)
    rollout.stays(blue)
    again = agent.send("s-1")
    rollout.actor_is(first.actor, "SUSPENDED")
    ended = agent.end_session("s-1")
    rollout.gone(blue)
    remaining = rollout.settles(agent)

    assert (again.template, again.actor, again.boot_count) == (blue.name, first.actor, first.boot_count + 1)
    assert ended == (200, "Session deleted successfully")
    assert remaining.uid == green.uid
    assert [c.actor for c in rollout.calls("DeleteActor", source="gateway") if c.ok] == [first.actor]
    assert [c.actor for c in rollout.calls("DeleteActor", source="controller") if c.ok] == [blue.golden]


@conformance(
    id="BG-V23",
    profile="ROLLOUT",
    level="extended",
    features=["SubstrateEchoWorkload"],
    killers=["bg/wedge-nonready"],
)
def test_revision_that_is_never_ready_is_passed_over(rollout):
    """While a revision is not Ready the one before MUST serve and the agent MUST say so; a third MUST replace
    it.
    """
    agent, blue = rollout.ready_agent()

    agent.edit("two", pool="empty")
    stuck = agent.next_template(blue, ready=False)
    rollout.stays(blue)
    meanwhile = agent.send("s-1")
    agent.edit("three", pool="pool")
    good = agent.next_template(blue, stuck)
    rollout.gone(stuck)
    agent.is_served_by(good)

    assert meanwhile.template == blue.name
    said = [(*revisions(state), state.condition("Ready")) for state in agent.states()]
    assert (stuck.hash, blue.hash, "ActorTemplatePending") in [(d, s, c and c.reason) for d, s, c in said]
    assert rollout.live(blue) is not None


@conformance(
    id="BG-V24",
    profile="ROLLOUT",
    level="extended",
    features=["SubstrateOwned"],
    killers=["bg/adopt-foreign"],
)
def test_template_of_another_spec_is_not_overwritten(rollout, wait):
    """What has the name of a revision's template and another spec MUST stay; the agent MUST tell the
    conflict.
    """
    agent, template = rollout.ready_agent()
    rollout.deployment.controller.kill()
    foreign = rollout.replaced(template)
    rollout.deployment.controller.start()

    conflict = condition("Ready", "False", "ActorTemplateConflict")
    refused = wait.until(agent, conflict, limit="template_applied")
    agent.touch()
    rollout.stays(foreign)
    kept = rollout.api.get(ACTOR_TEMPLATE, template.name, rollout.namespace)

    assert template.name in refused.condition("Ready").message
    assert (kept.uid, kept.raw["spec"]) == (foreign.uid, foreign.raw["spec"])
    assert kept.owners == ()


@conformance(
    id="BG-V25",
    profile="ROLLOUT",
    level="extended",
    features=["SubstrateEchoWorkload"],
    killers=["bg/double-resume"],
)
def test_one_operation_at_a_time_on_an_instance(rollout):
    """A message to a session that is being resumed MUST join in; ending the session meanwhile MUST be
    refused.
    """
    agent, _ = rollout.ready_agent()
    first = agent.send("s-1")
    rollout.actor_is(first.actor, "SUSPENDED")
    since = rollout.journal.position()

    held = Fault("hold", "ResumeActor", "gateway", about=lambda actor: actor == first.actor, times=1)
    with rollout.disturbed(held):
        one = agent.start("s-1", stream_for=3)
        rollout.struck(held, limit="turn_answered")
        two = agent.start("s-1")
        refused = agent.end_session("s-1")
    answers = [rollout.answered(conversation) for conversation in (one, two)]
    rollout.actor_is(first.actor, "SUSPENDED")
    resumed = rollout.calls("ResumeActor", actor=first.actor, since=since)
    ended = agent.end_session("s-1")

    rollout.decided(answers[1].began < answers[0].ended, "the second message came after the first answer")
    assert refused[0] == 409
    assert [answer.actor for answer in answers] == [first.actor] * 2
    assert len(resumed) == 1
    assert ended == (200, "Session deleted successfully")
