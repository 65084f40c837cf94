"""Passes over an agent whose configuration has not changed."""

from __future__ import annotations

from fixtures.conformance import conformance, provisional
from fixtures.kube.kinds import ACTOR_TEMPLATE, SANDBOX_AGENT

pytestmark = provisional(since="0.1.0", promote_by="2027-01-31")

#: How often the controller is made to look.
PASSES = 50


@conformance(id="BG-C02", profile="ROLLOUT", level="core", killers=["bg/churn"])
def test_passes_without_change_write_nothing(rollout):
    """With an unchanged configuration, any number of passes MUST make no template and write none."""
    agent, template = rollout.ready_agent()
    stored = rollout.settles(agent).resource_version

    for number in range(PASSES):
        # An annotation raises no generation and renders nothing else, but the watch tells the controller of
        # it.
        rollout.api.patch(
            SANDBOX_AGENT,
            agent.name,
            {"metadata": {"annotations": {"suite/pass": str(number)}}},
            rollout.namespace,
        )
    rollout.stays(template)

    assert [t.uid for t in agent.templates()] == [template.uid]
    assert rollout.api.get(ACTOR_TEMPLATE, template.name, rollout.namespace).resource_version == stored
