"""When the old template may go."""

from __future__ import annotations

from fixtures.conformance import conformance
from fixtures.kube.kinds import ACTOR_TEMPLATE


@conformance(
    id="BG-C14",
    profile="ROLLOUT",
    level="core",
    features=["SandboxAgentRetirement"],
    killers=["bg/early-retire"],
)
def test_old_template_goes_only_after_the_new_one_is_ready(rollout):
    """Neither the old template nor its golden MUST go before the new one is Ready; then both MUST go."""
    agent, blue = rollout.ready_agent()

    agent.edit("two workload-boot=after:2")
    building = agent.next_template(blue, ready=False)
    rollout.stays(blue)
    was_building = not building.ready
    green = agent.next_template(blue)
    rollout.gone(blue)
    rollout.settles(agent)

    rollout.decided(was_building, "the new template was Ready at once")
    history = rollout.journal.history.by_resource_version()
    ready_at = next(
        e.seq for e in history if e.object.uid == green.uid and e.object.status.get("phase") == "Ready"
    )
    gone_at = next(e.seq for e in history if e.object.uid == blue.uid and e.deleted)
    assert ready_at < gone_at
    assert all(c.began > green_ready(rollout, green) for c in rollout.calls("DeleteActor", actor=blue.golden))


def green_ready(rollout, green):
    """When the journal first saw the template Ready."""
    entries = rollout.journal.history.of(ACTOR_TEMPLATE, uid=green.uid)
    return next(e.received for e in entries if e.object.ready) - 0.5
