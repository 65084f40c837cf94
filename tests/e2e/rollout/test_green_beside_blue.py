"""What a changed configuration does to the templates of an agent."""

from __future__ import annotations

import pytest

from fixtures.conformance import conformance, provisional

pytestmark = provisional(since="0.1.0", promote_by="2027-01-31")


@conformance(
    id="BG-C03",
    profile="ROLLOUT",
    level="core",
    features=["SandboxAgentBlueGreen", "SubstrateEchoWorkload"],
    killers=["bg/in-place-update", "bg/v1"],
)
@pytest.mark.parametrize("kind", ["declarative", "byo"])
def test_changed_config_makes_a_new_template_and_leaves_the_old_one(rollout, kind):
    """A changed configuration MUST make a template of another name and MUST NOT touch the one that serves."""
    if kind == "byo":
        agent = rollout.byo_agent(env={"GREETING": "one"})
        change = {"byo": {"env": [{"name": "GREETING", "value": "two workload-boot=after:1"}]}}
    else:
        agent = rollout.agent()
        change = {"declarative": {"systemMessage": "two workload-boot=after:1"}}
    blue = agent.first_template()

    agent.patch(change)
    green = agent.next_template(blue, ready=False)
    still = rollout.live(blue)

    assert green.name != blue.name
    assert green.hash != blue.hash
    assert still is not None
    assert (still.uid, still.spec, still.status) == (blue.uid, blue.spec, blue.status)
    agent.next_template(blue)
