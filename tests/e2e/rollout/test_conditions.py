"""What an agent says of itself during its life."""

from __future__ import annotations

from fixtures.conformance import conformance, provisional
from fixtures.journal.predicates import condition

pytestmark = provisional(since="0.1.0", promote_by="2027-01-31")


@conformance(
    id="BG-R22",
    profile="ROLLOUT",
    level="core",
    features=["SubstrateEchoWorkload"],
    killers=["bg/ready-newest"],
)
def test_conditions_tell_the_life_of_an_agent(rollout, wait):
    """An agent MUST be Ready from its first Ready template on, and Accepted as long as its configuration is
    right.
    """
    agent, blue = rollout.ready_agent()
    wait.until(agent, condition("Ready", "True", "WorkloadReady"), limit="template_applied")
    agent.edit("two workload-boot=after:1")
    agent.next_template(blue)
    wait.until(agent, condition("Accepted", "True", "Reconciled", fresh=True), limit="template_applied")

    told = agent.states()
    ready = [c.reason for s in told if (c := s.condition("Ready")) is not None]
    assert list(dict.fromkeys(ready))[-1] == "WorkloadReady"
    assert set(ready) <= {"ActorTemplateNotFound", "ActorTemplateNotReady", "WorkloadReady"}
    first = ready.index("WorkloadReady")
    # A rollout is no reason to be less ready than before.
    assert set(ready[first:]) == {"WorkloadReady"}
    assert agent.accepted() == {"True"}
