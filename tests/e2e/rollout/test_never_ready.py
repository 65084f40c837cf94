"""Templates that never become Ready."""

from __future__ import annotations

from fixtures.conformance import conformance


@conformance(
    id="BG-R08",
    profile="ROLLOUT",
    level="core",
    features=["SandboxAgentRetirement"],
    killers=["bg/wedge-nonready", "bg/v1"],
)
def test_change_after_one_that_never_becomes_ready_is_applied(rollout):
    """A template that never becomes Ready MUST NOT keep a later change from being applied, and MUST be
    retired.
    """
    agent, blue = rollout.ready_agent()

    agent.edit("two workload-boot=fail")
    broken = agent.next_template(blue, ready=False)
    agent.edit("three workload-boot=fail")
    also_broken = agent.next_template(blue, broken, ready=False)
    agent.edit("four")
    good = agent.next_template(blue, broken, also_broken)
    remaining = rollout.settles(agent)

    assert remaining.uid == good.uid
    assert agent.send("s-1").instruction == "four"
