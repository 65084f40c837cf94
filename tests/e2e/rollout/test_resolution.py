"""Which template new work goes to."""

from __future__ import annotations

from fixtures.conformance import conformance, provisional

pytestmark = provisional(since="0.1.0", promote_by="2027-01-31")


@conformance(
    id="BG-C06",
    profile="ROLLOUT",
    level="core",
    features=["SubstrateEchoWorkload"],
    killers=["bg/split-brain", "bg/serve-unready"],
)
def test_requests_go_to_the_active_template(rollout):
    """New work MUST go to the most desired Ready template; without any template a request MUST be told so."""
    rollout.deployment.controller.pause()
    agent = rollout.agent()
    refused = rollout.answered(agent.start("s-0", may_fail=True))
    rollout.deployment.controller.resume()
    blue = agent.first_template()
    served_by_blue = [agent.send(f"blue-{n}") for n in range(3)]
    agent.edit("two workload-boot=after:1")
    agent.next_template(blue, ready=False)
    meanwhile = [agent.send(f"meanwhile-{n}") for n in range(3)]
    green = agent.green_template(blue)
    served_by_green = [agent.send(f"green-{n}") for n in range(3)]

    assert "no ActorTemplate generated yet" in refused.error
    assert {a.template for a in (*served_by_blue, *meanwhile)} == {blue.name}
    assert {a.template for a in served_by_green} == {green.name}
