"""When the old template may go."""

from __future__ import annotations

from fixtures.conformance import conformance, provisional

pytestmark = provisional(since="0.1.0", promote_by="2027-01-31")


@conformance(
    id="BG-C14",
    profile="ROLLOUT",
    level="core",
    features=["SandboxAgentRetirement", "SubstrateEchoWorkload"],
    killers=["bg/early-retire"],
)
def test_old_template_goes_only_after_the_new_one_is_ready(rollout):
    """Neither the old template nor its golden MUST go before the new one is Ready; then both MUST go."""
    agent, blue = rollout.ready_agent()

    agent.edit("two workload-boot=after:5")
    building = agent.next_template(blue, ready=False)
    rollout.stays(blue)
    was_building = not building.ready
    green = agent.next_template(blue)
    rollout.gone(blue)
    rollout.settles(agent)

    rollout.decided(was_building, "the new template was Ready at once")
    ready_at, gone_at = rollout.order_of((green, "Ready"), (blue, "gone"))
    assert ready_at < gone_at
