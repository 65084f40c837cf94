"""Calls that fail, or whose answer is lost, in the middle of a retirement."""

from __future__ import annotations

import pytest

from fixtures.conformance import conformance, provisional
from fixtures.system.rollout.rpcproxy import Fault

pytestmark = provisional(since="0.1.0", promote_by="2027-01-31")


@conformance(
    id="BG-R11",
    profile="ROLLOUT",
    level="core",
    features=["SandboxAgentRetirement"],
    killers=["bg/no-retry"],
)
@pytest.mark.parametrize("action", ["fail", "lose"])
@pytest.mark.parametrize("method", ["DeleteActor", "GetActor", "ListActors"])
def test_retirement_goes_on_after_a_failed_call(rollout, method, action):
    """A call that fails, or whose answer is lost, MUST NOT stop a retirement; no golden MUST be left."""
    agent, blue = rollout.ready_agent()
    # More often than passes follow each other by what the steps before have set off.
    with rollout.disturbed(Fault(action, method, "controller", times=4)):
        agent.edit("two")
        agent.next_template(blue)
        # With nobody changing anything any more: it has to come back to it by itself.
        rollout.gone(blue)
        remaining = rollout.settles(agent)

    assert remaining.uid != blue.uid


@conformance(
    id="BG-R12",
    profile="ROLLOUT",
    level="core",
    features=["SandboxAgentRetirement", "SubstrateEchoWorkload"],
    killers=["bg/template-first"],
)
@pytest.mark.parametrize("step", ["DeleteActor", "GetActor"])
def test_retirement_goes_on_after_a_crash(rollout, step):
    """A controller that is killed between two steps of a retirement MUST finish it when it is started
    again.
    """
    agent, blue = rollout.ready_agent()
    held = Fault("hold", step, "controller", about=lambda a: a == blue.golden, times=1)
    with rollout.disturbed(held):
        agent.edit("two")
        rollout.struck(held)
        rollout.deployment.controller.kill()
    rollout.deployment.controller.start()
    rollout.gone(blue)
    remaining = rollout.settles(agent)

    assert remaining.uid != blue.uid
    assert agent.send("s-1").instruction == "two"


@conformance(
    id="BG-RO3",
    profile="ROLLOUT",
    level="core",
    features=["SandboxAgentSafeRetirement", "SubstrateEchoWorkload"],
    killers=["bg/no-reresolve"],
)
def test_request_is_resolved_anew_where_its_template_is_gone(rollout):
    """A request whose template goes before its actor is made MUST be resolved anew, three times at most."""
    agent, _ = rollout.ready_agent()
    text = "ActorTemplate not found"
    twice = Fault("fail", "CreateActor", "gateway", times=2, code="FAILED_PRECONDITION", text=text)
    with rollout.disturbed(twice):
        served = agent.send("s-1")
    for_ever = Fault("fail", "CreateActor", "gateway", code="FAILED_PRECONDITION", text=text)
    with rollout.disturbed(for_ever):
        refused = rollout.answered(agent.start("s-2", may_fail=True))

    assert served.ok
    assert refused.status == 503
    assert for_ever.hits == 4
