"""Agents with nothing to retire."""

from __future__ import annotations

from fixtures.conformance import conformance


@conformance(
    id="BG-C13",
    profile="ROLLOUT",
    level="core",
    features=["SandboxAgentRetirement", "SubstrateEchoWorkload"],
    killers=["bg/retire-last"],
)
def test_sole_template_is_left_alone(rollout):
    """While an agent has one template the controller MUST NOT suspend or delete any actor."""
    agent, template = rollout.ready_agent()
    agent.send("s-1")

    rollout.stays(template)

    by_controller = rollout.calls(source="controller")
    assert [c for c in by_controller if c.method in ("SuspendActor", "DeleteActor")] == []
