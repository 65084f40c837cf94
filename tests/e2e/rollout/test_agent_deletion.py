"""What is left of an agent that is deleted."""

from __future__ import annotations

from fixtures.conformance import conformance, provisional
from fixtures.kube.kinds import ACTOR_TEMPLATE

pytestmark = provisional(since="0.1.0", promote_by="2027-01-31")


@conformance(
    id="BG-C24",
    profile="ROLLOUT",
    level="core",
    killers=["bg/finalizer-early", "bg/delete-stuck"],
)
def test_nothing_is_left_of_a_deleted_agent(rollout, wait):
    """Of an agent that is deleted in the middle of a rollout nothing MUST be left: sessions, goldens,
    templates.
    """
    agent, blue = rollout.ready_agent()
    idle = agent.send("idle").actor
    rollout.actor_is(idle, "SUSPENDED")
    # The only place where an actor at work may be suspended by force.
    busy = agent.start("busy", stream_for=20, may_fail=True)
    actor = rollout.begun(busy).actor
    agent.edit("two workload-boot=after:1")
    agent.next_template(blue, ready=False)

    agent.delete()
    wait.gone(agent, limit="agent_gone")
    left = rollout.actors()
    rollout.nothing_is_left(ACTOR_TEMPLATE)

    assert left == []
    assert [c.source for c in rollout.calls("SuspendActor", actor=actor) if c.ok] == ["controller"]
