"""The order of templates, and turning back to an earlier configuration."""

from __future__ import annotations

import pytest

from fixtures.conformance import conformance, provisional
from fixtures.journal.predicates import condition

pytestmark = provisional(since="0.1.0", promote_by="2027-01-31")


@conformance(
    id="BG-R07",
    profile="ROLLOUT",
    level="core",
    features=["SandboxAgentBlueGreen"],
    killers=["bg/generation-only", "bg/v1"],
)
@pytest.mark.parametrize("what", ["spec", "model"])
@pytest.mark.parametrize("when", ["building", "ready"])
def test_turning_back_takes_effect(rollout, steady_requests, what, when):
    """Turning back to an earlier configuration MUST take effect; its successor MUST NOT serve anew."""
    agent, first = rollout.ready_agent(message="one")

    def change(word):
        if what == "spec":
            agent.edit(word)
        else:
            rollout.model(model=word)

    change("two workload-boot=after:2" if when == "building" else "two")
    second = agent.green_template(first) if when == "ready" else agent.next_template(first, ready=False)
    was_building = not second.ready
    change("one" if what == "spec" else "m-1")
    with steady_requests(agent, rate=4, sessions=3) as load:
        # Until the second template would be Ready, and beyond.
        remaining = rollout.settles(agent, on=first.name, limit="rollout_converge")
        load.go_on_for(3)

    rollout.decided(was_building or when == "ready", "the second template was Ready before the turn back")
    assert remaining.name == first.name
    served = [a.template for a in load.answers()]
    allowed = [first.name] if when == "building" else [second.name, first.name]
    assert set(served) <= set(allowed)
    assert served[-1] == first.name


@conformance(
    id="BG-RO1",
    profile="ROLLOUT",
    level="core",
    features=["SandboxAgentSafeRetirement"],
    killers=["bg/generation-only"],
)
def test_desired_template_is_strictly_first(rollout):
    """The template of the configuration as it is MUST be strictly first in the order, and its place never
    lowered.
    """
    agent, first = rollout.ready_agent()
    seen = [first]
    # An edit of an input raises no generation of the agent.
    for number in range(3):
        known = agent.templates()
        rollout.model(model=f"m-{number + 2}")
        newest = agent.next_template(*known)
        others = [t for t in agent.templates() if t.uid != newest.uid]
        assert all(newest.desired_generation > t.desired_generation for t in others)
        seen.append(newest)
    rollout.settles(agent)

    for template in seen:
        places = rollout.places(template)
        assert places == sorted(places)


@conformance(
    id="BG-R06",
    profile="ROLLOUT",
    level="core",
    features=["SandboxAgentRetirement"],
    killers=["bg/never-retire", "bg/v1"],
)
def test_many_changes_at_once_end_on_the_last(rollout, wait):
    """Ten changes within a second MUST end on the last one, with nothing left of the others."""
    agent, _ = rollout.ready_agent(message="0")
    for number in range(1, 11):
        agent.edit(str(number))

    wait.until(agent, condition("Accepted", "True", fresh=True), limit="template_applied")
    remaining = rollout.settles(agent)
    answer = agent.send("s-1")

    assert answer.template == remaining.name
    assert answer.instruction == "10"
