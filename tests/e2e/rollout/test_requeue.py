"""How soon the controller comes back to what is not done."""

from __future__ import annotations

from fixtures.conformance import conformance, provisional

pytestmark = provisional(since="0.1.0", promote_by="2027-01-31")

#: Seconds between two passes over an agent that is not done.
REQUEUE = 0.5
#: Passes that show that it is looked at again and again; a busy machine takes its time for them.
PASSES = 3


@conformance(
    id="BG-R15",
    profile="ROLLOUT",
    level="core",
    features=["SandboxAgentRetirement", "SubstrateEchoWorkload"],
    killers=["bg/slow-requeue"],
)
def test_blocked_retirement_is_tried_again_every_period(deploy):
    """A retirement that an actor blocks MUST be tried again every period, and end when the actor rests."""
    rollout = deploy(requeue=REQUEUE)
    rollout.model()
    rollout.pool()
    agent, blue = rollout.ready_agent()
    actor = agent.send("s-1").actor
    rollout.actor_is(actor, "SUSPENDED")
    rollout.wake(actor)
    agent.edit("two")
    agent.next_template(blue)
    # The passes that the new template has caused are over after this time: what is left comes by itself.
    rollout.stays(blue)

    since = rollout.journal.position()
    rollout.calls_are_made("ListActors", PASSES, source="controller", since=since)
    rollout.stays(blue)
    rollout.put_to_sleep(actor)
    rollout.gone(blue)
    rollout.settles(agent)
