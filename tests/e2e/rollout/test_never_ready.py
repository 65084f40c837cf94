"""Templates that never become Ready."""

from __future__ import annotations

from fixtures.conformance import conformance, provisional

pytestmark = provisional(since="0.1.0", promote_by="2027-01-31")


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
    # A pool without workers: no golden of it can ever be started.
    rollout.pool("empty", replicas=0)
    agent, blue = rollout.ready_agent()

    def change(message, pool):
        agent.patch(
            {
                "declarative": {"systemMessage": message},
                "substrate": {"workerPoolRef": {"name": pool}},
            }
        )

    change("two", "empty")
    stuck = agent.next_template(blue, ready=False)
    change("three", "empty")
    also_stuck = agent.next_template(blue, stuck, ready=False)
    change("four", "pool")
    good = agent.next_template(blue, stuck, also_stuck)
    remaining = rollout.settles(agent)

    assert remaining.uid == good.uid
    assert agent.send("s-1").instruction == "four"
