"""What users notice while a new template is being built."""

from __future__ import annotations

from fixtures.conformance import conformance, provisional
from fixtures.journal.predicates import condition

pytestmark = provisional(since="0.1.0", promote_by="2027-01-31")


@conformance(
    id="BG-C07",
    profile="ROLLOUT",
    level="core",
    features=["SandboxAgentBlueGreen", "SubstrateEchoWorkload"],
    killers=["bg/serve-unready", "bg/ready-newest"],
)
def test_old_template_serves_until_the_new_one_is_ready(rollout, wait):
    """While the new template is not Ready the old one MUST serve, and the agent MUST stay Ready."""
    agent, blue = rollout.ready_agent()
    wait.until(agent, condition("Ready", "True", "WorkloadReady"), limit="template_applied")

    agent.edit("two workload-boot=fail")
    agent.next_template(blue, ready=False)
    answers = [agent.send(f"s-{n}") for n in range(3)]
    wait.holds(agent, condition("Ready", "True"), window="requeues")

    assert [a.template for a in answers] == [blue.name] * 3
    assert [a.instruction for a in answers] == ["one"] * 3
