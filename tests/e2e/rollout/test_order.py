"""The order of templates, and turning back to an earlier configuration."""

from __future__ import annotations

import pytest

from fixtures.conformance import conformance, provisional
from fixtures.journal.predicates import condition
from fixtures.system.rollout.handles import BOOTS_A_SECOND
from fixtures.system.rollout.rpcproxy import Fault

pytestmark = provisional(since="0.1.0", promote_by="2027-01-31")

#: How often two changes are made in a row until both templates are made in one second.
ATTEMPTS = 5


@conformance(
    id="BG-R07",
    profile="ROLLOUT",
    level="core",
    features=["SandboxAgentBlueGreen", "SubstrateEchoWorkload"],
    killers=["bg/generation-only", "bg/v1"],
)
@pytest.mark.parametrize("what", ["spec", "model"])
@pytest.mark.parametrize("when", ["building", "ready"])
def test_turning_back_takes_effect(rollout, steady_requests, what, when):
    """Turning back to an earlier configuration MUST take effect; its successor MUST NOT serve anew."""
    one = f"one {BOOTS_A_SECOND}"
    agent, first = rollout.ready_agent(message=one)

    def change(word):
        if what == "spec":
            agent.edit(word)
        else:
            rollout.model(model=word)

    change("two workload-boot=after:2" if when == "building" else "two")
    second = agent.green_template(first) if when == "ready" else agent.next_template(first, ready=False)
    was_building = not second.ready
    change(one if what == "spec" else "m-1")
    allowed = {first.name} if when == "building" else {second.name, first.name}
    with steady_requests(agent, rate=4, sessions=3) as load:
        rollout.is_built_or_gone(second)
        load.go_on_for(6)
        rollout.decided(was_building or when == "ready", "the second template was Ready before the turn back")
        assert {a.template for a in load.answers()} <= allowed
        rollout.settles(agent, on=first.name, limit="rollout_converge")
        load.go_on_for(3)

    served = [a.template for a in load.answers()]
    assert set(served) <= allowed
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
    features=["SandboxAgentRetirement", "SubstrateEchoWorkload"],
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


@conformance(
    id="BG-D6",
    profile="ROLLOUT",
    level="core",
    features=["SandboxAgentRetirement", "SubstrateEchoWorkload"],
    killers=["bg/order-by-creation", "bg/v1"],
)
def test_later_of_two_changes_in_one_second_stays(rollout):
    """Of two changes within a second the later one MUST stay, whatever the names of their templates."""
    start = f"base {BOOTS_A_SECOND}"
    agent, template = rollout.ready_agent(message=start)
    known, word_of = [template], {}
    for word in ("one", "two", start):
        agent.edit(word)
        # Where it is made twice the second one stays.
        known.append(rollout.settles(agent, on=agent.next_template(*known).name))
        word_of[known[-1].name] = word
    # Times of creation have a grain of a second. Where they are equal the names would decide: the wrong way.
    base = known[-1]
    first, last = sorted(name for name in word_of if name != base.name)
    for _ in range(ATTEMPTS):
        agent.edit(word_of[first])
        early = agent.template_named(first, *known, ready=False)
        agent.edit(word_of[last])
        late = agent.template_named(last, *known, ready=False)
        same_second = early.metadata["creationTimestamp"] == late.metadata["creationTimestamp"]
        if same_second:
            break
        known += [early, late, rollout.settles(agent, on=last)]
        agent.edit(start)
        known.append(rollout.settles(agent, on=base.name))
    rollout.decided(same_second, f"{ATTEMPTS} pairs of templates were made in different seconds")
    remaining = rollout.settles(agent, on=last)
    answer = agent.send("s-1")

    assert remaining.uid == late.uid
    assert answer.instruction == word_of[last]


@conformance(
    id="BG-R07b",
    profile="ROLLOUT",
    level="core",
    features=["SandboxAgentSafeRetirement", "SubstrateEchoWorkload"],
    killers=["bg/revive-retiring"],
)
def test_template_on_its_way_out_is_made_anew(rollout):
    """Turning back to a template whose retirement has begun MUST make it anew; the active one MUST serve."""
    agent, first = rollout.ready_agent(message="one")
    half_done = Fault("hold", "DeleteActor", "controller", about=lambda a: a == first.golden, times=1)
    with rollout.disturbed(half_done):
        agent.edit("two")
        second = agent.green_template(first)
        rollout.struck(half_done)
        agent.edit("one")
        meanwhile = [agent.send(f"s-{number}") for number in range(3)]
    anew = agent.template_named(first.name, first)
    remaining = rollout.settles(agent, on=first.name)
    answer = agent.send("s-last")

    assert {a.template for a in meanwhile} == {second.name}
    assert remaining.uid == anew.uid
    assert answer.instruction == "one"
