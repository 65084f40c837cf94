"""In which order a template and its golden go."""

from __future__ import annotations

from fixtures.conformance import conformance, provisional
from fixtures.kube.kinds import ACTOR_TEMPLATE

pytestmark = provisional(since="0.1.0", promote_by="2027-01-31")


@conformance(
    id="BG-C16",
    profile="ROLLOUT",
    level="core",
    features=["SandboxAgentRetirement"],
    killers=["bg/template-first"],
)
def test_golden_is_gone_before_its_template(rollout):
    """The deletion of a golden MUST be acknowledged, and seen to be done, before its template is deleted."""
    agent, blue = rollout.ready_agent()

    agent.edit("two")
    rollout.gone(blue)

    deleted = rollout.wait.history().of(ACTOR_TEMPLATE, uid=blue.uid)[-1].received
    acknowledged = [c for c in rollout.calls("DeleteActor", actor=blue.golden) if c.ok]
    seen_gone = [c for c in rollout.calls(actor=blue.golden) if c.code == "NOT_FOUND"]
    assert [c.source for c in acknowledged] == ["controller"]
    assert acknowledged[0].ended < seen_gone[0].ended < deleted


@conformance(
    id="BG-C17",
    profile="ROLLOUT",
    level="core",
    features=["SandboxAgentRetirement"],
    killers=["bg/burst-step"],
)
def test_golden_goes_step_by_step(rollout):
    """Between two changes of a golden the controller MUST look at it anew."""
    agent, blue = rollout.ready_agent()

    agent.edit("two")
    rollout.gone(blue)

    calls = rollout.calls(source="controller")
    changes = [
        place
        for place, call in enumerate(calls)
        if call.actor == blue.golden and call.method in ("SuspendActor", "DeleteActor")
    ]
    assert len(changes) >= 1
    for earlier, later in zip(changes, changes[1:], strict=False):
        assert [c for c in calls[earlier + 1 : later] if c.method in ("GetActor", "ListActors")]
    # A golden of a Ready template is suspended already: suspending it once more would be a step too many.
    assert [calls[place].method for place in changes] == ["DeleteActor"]
