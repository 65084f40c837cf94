"""Crashes at moments that nobody has chosen."""

from __future__ import annotations

import pytest

from fixtures.conformance import conformance, provisional
from fixtures.journal.predicates import condition

pytestmark = provisional(since="0.1.0", promote_by="2027-01-31")

#: Changes of the configuration, each with one crash.
CHANGES = 5
#: Entries of the journal after a change within which a program is killed: a whole rollout has about as many.
MOMENTS = 40


@conformance(
    id="BG-I11",
    profile="ROLLOUT",
    level="extended",
    features=["SandboxAgentRetirement"],
    killers=["bg/template-first"],
)
@pytest.mark.parametrize("program", ["controller", "gateway", "substrate"])
def test_rollouts_survive_crashes(rollout, chance, steady_requests, program):
    """A program that is killed at any moment of a rollout MUST NOT break an invariant; it MUST come to its
    end.
    """
    agent, _ = rollout.ready_agent()
    # A request on its way through a program that is killed cannot be saved.
    rollout.excused.failing_turns = True
    with steady_requests(agent, rate=4, sessions=2):
        for number in range(CHANGES):
            agent.edit(f"message {number}")
            rollout.crash(program, after=chance.randrange(MOMENTS))
    remaining = rollout.settles(agent, limit="rollout_converge")
    answer = agent.send("s-last")

    assert answer.template == remaining.name
    assert answer.instruction == f"message {CHANGES - 1}"


@conformance(
    id="BG-I10",
    profile="ROLLOUT",
    level="extended",
    features=["SandboxAgentRetirement"],
    killers=["bg/strand-live"],
)
def test_drawn_interleavings_end_well(rollout, chance, wait):
    """Whatever is done to an agent in whatever order, no invariant MUST break, and the last configuration
    MUST serve.
    """
    agent, _ = rollout.ready_agent(message="word 0")
    rollout.excused.failing_turns = True
    last = "word 0"
    outage = None
    for number in range(25):
        act = chance.choice(
            ["edit", "edit", "turn back", "send", "send", "stream", "outage", "crash", "lose"]
        )
        if act in ("edit", "turn back"):
            last = f"word {number}" if act == "edit" else f"word {chance.randrange(3)}"
            broken = " workload-boot=fail" if chance.random() < 0.2 else ""
            last += broken
            agent.edit(last)
        elif act == "send":
            agent.start(f"s-{chance.randrange(3)}", may_fail=True)
        elif act == "stream":
            agent.start(f"s-{chance.randrange(3)}", stream_for=chance.uniform(0.2, 2), may_fail=True)
        elif act == "crash":
            rollout.crash(chance.choice(["controller", "gateway", "substrate"]), after=chance.randrange(20))
        elif act == "lose":
            rollout.lose_some_worker(chance)
        elif outage is None:
            outage = rollout.outage()
        else:
            rollout.lift(outage)
            outage = None
    if outage is not None:
        rollout.lift(outage)
    agent.edit("the end")
    wait.until(agent, condition("Accepted", "True", fresh=True), limit="template_applied")
    remaining = rollout.settles(agent, limit="rollout_converge")
    answer = agent.send("s-last")

    assert answer.template == remaining.name
    assert answer.instruction == "the end"
