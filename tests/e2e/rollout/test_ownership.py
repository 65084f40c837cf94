"""Templates that belong to somebody else."""

from __future__ import annotations

from fixtures.conformance import conformance, provisional
from fixtures.journal.predicates import condition
from fixtures.kube.kinds import ACTOR_TEMPLATE

pytestmark = provisional(since="0.1.0", promote_by="2027-01-31")


@conformance(
    id="BG-C27",
    profile="ROLLOUT",
    level="core",
    features=["SandboxAgentSafeRetirement"],
    killers=["bg/adopt-foreign"],
)
def test_template_of_another_owner_is_not_taken_over(rollout, wait):
    """A template whose name is right but whose owner is another MUST NOT be taken over; the agent MUST say
    so.
    """
    agent, template = rollout.ready_agent("my-agent")
    rollout.deployment.controller.kill()
    foreign = rollout.hand_over(template)
    rollout.deployment.controller.start()

    refused = wait.until(agent, condition("Accepted", "False", "ReconcileFailed"), limit="template_applied")
    kept = rollout.api.get(ACTOR_TEMPLATE, template.name, rollout.namespace)

    assert template.name in refused.condition("Accepted").message
    assert kept.uid == foreign.uid
    assert [o.uid for o in kept.owners] == [o.uid for o in foreign.owners]


@conformance(
    id="BG-R21",
    profile="ROLLOUT",
    level="extended",
    features=["SubstrateEchoWorkload"],
    killers=["bg/finalizer-early"],
)
def test_agent_that_is_made_anew_adopts_nothing_old(rollout, wait):
    """An agent that is deleted and made anew MUST have a template and sessions of its own."""
    agent, template = rollout.ready_agent()
    before = agent.send("s-1")
    agent.send("s-1")
    agent.delete()
    wait.gone(agent, limit="agent_gone")

    again = rollout.agent()
    anew = again.first_template()
    after = again.send("s-1")

    assert anew.name == template.name
    assert anew.uid != template.uid
    assert anew.golden != template.golden
    # Nothing of the old session's memory.
    assert after.served == before.served
