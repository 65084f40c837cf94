"""What goes on while ate-api is down."""

from __future__ import annotations

import pytest

from fixtures.conformance import conformance, provisional
from fixtures.journal.predicates import condition

pytestmark = provisional(since="0.1.0", promote_by="2027-01-31")


@conformance(
    id="BG-C23",
    profile="ROLLOUT",
    level="core",
    features=["SandboxAgentRetirement", "SubstrateEchoWorkload"],
    killers=["bg/outage-wedge", "bg/no-retry", "bg/v1"],
)
@pytest.mark.parametrize("when", ["before", "after"])
def test_change_is_applied_while_ate_api_is_down(rollout, wait, when):
    """While ate-api is down a change MUST be applied and its status written; the rest MUST follow by
    itself.
    """
    agent, blue = rollout.ready_agent()
    if when == "before":
        outage = rollout.outage()
        agent.edit("two")
        green = agent.next_template(blue, ready=False)
    else:
        # The controller is in the middle of a retirement.
        agent.edit("two")
        green = agent.next_template(blue, ready=False)
        outage = rollout.outage()
    agent.edit("three")
    newest = agent.next_template(blue, green)
    wait.until(agent, condition("Accepted", "True", fresh=True), limit="template_applied")
    # From here on nothing changes any more: whoever goes on trying does so by itself.
    since = rollout.journal.position()
    rollout.call_is_refused("ListActors", "UNAVAILABLE", since=since, times=3, limit="template_retired")
    rollout.lift(outage)
    remaining = rollout.settles(agent)

    assert remaining.uid == newest.uid
    assert agent.send("s-1").instruction == "three"
