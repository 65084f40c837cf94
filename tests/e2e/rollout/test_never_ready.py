"""Templates that never become Ready."""

from __future__ import annotations

from fixtures.conformance import conformance, provisional
from fixtures.system.rollout.handles import BOOTS_A_SECOND

pytestmark = provisional(since="0.1.0", promote_by="2027-01-31")


@conformance(
    id="BG-R08",
    profile="ROLLOUT",
    level="core",
    features=["SandboxAgentRetirement", "SubstrateEchoWorkload"],
    killers=["bg/wedge-nonready", "bg/v1"],
)
def test_change_after_one_that_never_becomes_ready_is_applied(rollout):
    """A template that never becomes Ready MUST NOT keep a later change from being applied, and MUST be
    retired.
    """
    # A pool without workers: no golden of it can ever be started.
    rollout.pool("empty", replicas=0)
    agent, blue = rollout.ready_agent(message=f"one {BOOTS_A_SECOND}")

    agent.edit("two", pool="empty")
    stuck = agent.next_template(blue, ready=False)
    agent.edit("three", pool="empty")
    also_stuck = agent.next_template(blue, stuck, ready=False)
    agent.edit("four", pool="pool")
    good = agent.next_template(blue, stuck, also_stuck)
    remaining = rollout.settles(agent)

    assert remaining.uid == good.uid
    assert agent.send("s-1").instruction == "four"


@conformance(
    id="BG-I2",
    profile="ROLLOUT",
    level="extended",
    features=["SandboxAgentSafeRetirement", "SubstrateEchoWorkload"],
    killers=["bg/blind-mark"],
)
def test_template_that_becomes_ready_under_its_mark_is_spared(deploy):
    """A template that becomes Ready while it is marked for its end MUST stay, unless a later one is Ready."""
    rollout = deploy(api_proxied=["controller"])
    rollout.model()
    rollout.pool()
    rollout.pool("empty", replicas=0)
    agent, blue = rollout.ready_agent()
    agent.edit("two workload-boot=after:2", pool="pool")
    late = agent.next_template(blue, ready=False)
    # The mark is there, and whoever wrote it does not know yet.
    mark = {"verb": "patch", "plural": "actortemplates", "name": late.name, "times": 1}
    with rollout.api_disturbed("late-reply", seconds=30, **mark) as held_back:
        agent.edit("three", pool="empty")
        agent.next_template(blue, late, ready=False)
        rollout.has_struck(held_back)
        agent.template_named(late.name)
    rollout.is_spared(late)
    rollout.stays(late)
    agent.is_served_by(late)

    states = rollout.states_of(late)
    rollout.decided(any(s.marked and not s.ready for s in states), "it was Ready before it was marked")
    assert any(s.marked and s.ready for s in states)
    agent.edit("four", pool="pool")
    rollout.gone(late)
    rollout.settles(agent)
