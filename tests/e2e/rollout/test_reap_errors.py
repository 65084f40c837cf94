"""What an error in clearing up does to the rest of the controller's work."""

from __future__ import annotations

import pytest

from fixtures.conformance import conformance, provisional
from fixtures.journal.predicates import condition
from fixtures.system.rollout.rpcproxy import Fault

pytestmark = provisional(since="0.1.0", promote_by="2027-01-31")


@conformance(
    id="BG-C22",
    profile="ROLLOUT",
    level="core",
    features=["SandboxAgentRetirement", "SubstrateEchoWorkload"],
    killers=["bg/reap-fatal"],
)
@pytest.mark.parametrize("code", ["INTERNAL", "FAILED_PRECONDITION", "ABORTED", "NOT_FOUND"])
def test_error_while_reaping_fails_no_pass(rollout, wait, code):
    """An actor that cannot be reaped MUST NOT keep a later change from being applied, and MUST go in the
    end.
    """
    agent, blue = rollout.ready_agent()
    actor = agent.send("s-1").actor
    rollout.actor_is(actor, "SUSPENDED")
    refusal = Fault("fail", "DeleteActor", "controller", about=lambda a: a == actor, code=code)
    with rollout.disturbed(refusal):
        agent.edit("two")
        green = agent.next_template(blue)
        rollout.struck(refusal)
        agent.edit("three")
        newest = agent.next_template(blue, green)
        wait.until(agent, condition("Accepted", "True", fresh=True), limit="template_applied")
    remaining = rollout.settles(agent)

    assert remaining.uid == newest.uid
    assert rollout.actor(actor) is None
    assert agent.accepted() == {"True"}


@conformance(
    id="BG-R16",
    profile="ROLLOUT",
    level="extended",
    features=["SandboxAgentRetirement", "SubstrateEchoWorkload"],
    killers=["bg/reap-fatal"],
)
def test_actor_woken_between_look_and_deletion_lives_on(rollout):
    """An actor that wakes between the controller's look and its deletion MUST live on, and its template
    with it.
    """
    agent, blue = rollout.ready_agent()
    actor = agent.send("s-1").actor
    rollout.actor_is(actor, "SUSPENDED")
    held = Fault("hold", "DeleteActor", "controller", about=lambda a: a == actor, times=1)
    with rollout.disturbed(held):
        agent.edit("two")
        rollout.struck(held)
        rollout.deployment.hand.call("ResumeActor", actor, rollout.namespace)
    rollout.stays(blue)
    woken = rollout.actor(actor)
    rollout.put_to_sleep(actor)
    rollout.gone(blue)
    rollout.settles(agent)

    assert woken is not None
    assert woken.state == "RUNNING"
    assert rollout.calls("DeleteActor", source="controller", actor=actor)[0].code == "FAILED_PRECONDITION"
    assert agent.accepted() == {"True"}
