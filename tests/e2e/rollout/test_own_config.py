"""Which configuration a golden snapshot holds."""

from __future__ import annotations

from fixtures.conformance import conformance, provisional

pytestmark = provisional(since="0.1.0", promote_by="2027-01-31")


@conformance(
    id="BG-C26",
    profile="ROLLOUT",
    level="core",
    features=["SandboxAgentBlueGreen", "SubstrateEchoWorkload"],
    killers=["bg/shared-secret"],
)
def test_golden_answers_with_its_own_config(rollout):
    """A golden that is built soon after the previous configuration MUST answer with its own."""
    agent, one = rollout.ready_agent(message="one")
    # Within the time for which a substrate may keep Secrets in its cache.
    agent.edit("two")
    two = agent.green_template(one)
    answer_two = agent.send("s-1")
    agent.edit("three")
    three = agent.green_template(one, two)
    answer_three = agent.send("s-1")

    assert (answer_two.template, answer_two.instruction) == (two.name, "two")
    assert (answer_three.template, answer_three.instruction) == (three.name, "three")
