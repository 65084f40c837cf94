"""Writes to the API server that are refused, or whose answer is lost, in the middle of a rollout."""

from __future__ import annotations

import pytest

from fixtures.conformance import conformance, provisional
from fixtures.journal.predicates import condition

pytestmark = provisional(since="0.1.0", promote_by="2027-01-31")

#: Which write of a rollout fails: its rule, and what it strikes.
WRITES = {
    "mark-refused": ("refuse", {"status": 500, "verb": "patch", "plural": "actortemplates"}),
    "mark-overtaken": ("overtake", {"verb": "patch", "plural": "actortemplates"}),
    "mark-answer-lost": ("lose-reply", {"verb": "patch", "plural": "actortemplates"}),
    # More often than passes follow each other by what the steps before have set off.
    "deletion-refused": ("refuse", {"status": 500, "verb": "delete", "plural": "actortemplates", "times": 4}),
    "deletion-answer-lost": ("lose-reply", {"verb": "delete", "plural": "actortemplates"}),
    "status-refused": ("refuse", {"status": 500, "plural": "sandboxagents", "subresource": "status"}),
}


@conformance(
    id="BG-R11b",
    profile="ROLLOUT",
    level="core",
    features=["SandboxAgentRetirement"],
    killers=["bg/no-retry"],
)
@pytest.mark.parametrize("write", sorted(WRITES))
def test_retirement_goes_on_after_a_failed_write(deploy, wait, write):
    """A write to the API server that fails, or whose answer is lost, MUST NOT stop a retirement."""
    rollout = deploy(api_proxied=["controller"])
    rollout.model()
    rollout.pool()
    agent, blue = rollout.ready_agent()
    wait.until(agent, condition("Ready", "True", "WorkloadReady"), limit="template_applied")
    rule, matching = WRITES[write]
    with rollout.api_disturbed(rule, **{"times": 1, **matching}) as fault:
        agent.edit("two")
        green = agent.next_template(blue)
        rollout.has_struck(fault)
        # With nobody changing anything any more: it has to come back to it by itself.
        rollout.gone(blue)
    remaining = rollout.settles(agent)
    wait.until(agent, condition("Accepted", "True", fresh=True), limit="template_applied")

    assert remaining.uid == green.uid


@conformance(
    id="BG-D16",
    profile="ROLLOUT",
    level="core",
    features=["SandboxAgentSafeRetirement", "SubstrateOwned"],
    killers=["bg/golden-by-status"],
)
def test_golden_that_no_status_names_goes_with_its_template(deploy):
    """A golden whose id never came into the status MUST go with its template, as the named one does."""
    rollout = deploy(api_proxied=["substrate"])
    rollout.model()
    rollout.pool()
    # The golden is there, and what says so is refused: another one is made.
    minting = {"verb": "patch", "plural": "actortemplates", "subresource": "status", "times": 1}
    with rollout.api_disturbed("refuse", status=409, **minting):
        agent, blue = rollout.ready_agent()
    goldens = rollout.goldens_of(blue)
    agent.edit("two")
    rollout.gone(blue)
    remaining = rollout.settles(agent)

    rollout.decided(len(goldens) == 2, f"it had the goldens {', '.join(goldens)}")
    assert blue.golden in goldens
    assert rollout.goldens_of(remaining) == [remaining.golden]
    assert rollout.goldens_of(blue) == []
