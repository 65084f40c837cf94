"""Agents with more than two templates."""

from __future__ import annotations

from fixtures.conformance import conformance, provisional
from fixtures.system.rollout.rpcproxy import Fault

pytestmark = provisional(since="0.1.0", promote_by="2027-01-31")


@conformance(
    id="BG-C18",
    profile="ROLLOUT",
    level="core",
    features=["SandboxAgentRetirement", "SubstrateEchoWorkload"],
    killers=["bg/never-retire"],
)
def test_only_what_is_superseded_goes(rollout):
    """Of an old, an active and a building template only the old one MUST go; the active one once the newest
    is Ready.
    """
    agent, old = rollout.ready_agent()
    with rollout.disturbed(Fault("fail", "DeleteActor", "controller")):
        agent.edit("two")
        active = agent.next_template(old)
        agent.edit("three workload-boot=after:3")
        newest = agent.next_template(old, active, ready=False)

    rollout.gone(old)
    kept, building = rollout.live(active), rollout.live(newest)
    agent.next_template(old, active)
    rollout.gone(active)
    remaining = rollout.settles(agent)

    rollout.decided(
        building is not None and not building.ready, "the newest was Ready before the old one went"
    )
    assert kept is not None
    assert kept.ready
    assert remaining.uid == newest.uid
