"""Crashes at moments that nobody has chosen, and whatever else can happen, in any order."""

from __future__ import annotations

from fixtures.conformance import conformance, provisional
from fixtures.journal.predicates import condition
from fixtures.system.rollout.acts import LATEST_STEP, PROGRAMS, HangUp, Pause, Say, Stream, sequences

pytestmark = provisional(since="0.1.0", promote_by="2027-01-31")

#: How often a program is killed, each time in a rollout of its own; --draws says otherwise.
KILLS = 3
#: How many sequences are drawn unless --draws says otherwise, and how many more to make a failing one small.
SEQUENCES, SHRINKS = 3, 12
#: A template is superseded while an actor of it answers: few draws have this in it.
ANSWER_ACROSS_A_CHANGE = (Stream("s-1"), Say("one"), Pause(LATEST_STEP), HangUp())


@conformance(
    id="BG-I11",
    profile="ROLLOUT",
    level="extended",
    features=["SandboxAgentRetirement", "SubstrateEchoWorkload", "SubstrateOwned"],
    killers=["bg/template-first"],
)
def test_rollouts_survive_crashes(rollout, chance, draws, steady_requests, wait, step):
    """A program that is killed at any moment of a rollout MUST NOT break an invariant; it MUST come to its
    end.
    """
    agent, _ = rollout.ready_agent()
    order = [program for _ in range(draws(KILLS)) for program in chance.sample(PROGRAMS, len(PROGRAMS))]
    with steady_requests(agent, rate=4, sessions=2):
        for number, program in enumerate(order[: draws(KILLS)]):
            agent.edit(f"message {number}")
            struck = rollout.crash(program, after=chance.randrange(LATEST_STEP))
            step(f"kill {number}: {program} after {struck}")
            wait.until(agent, condition("Accepted", "True", fresh=True), limit="template_applied")
            remaining = rollout.settles(agent, limit="rollout_converge", strays=program == "substrate")
            answer = agent.send("s-last")

            assert answer.template == remaining.name
            assert answer.instruction == f"message {number}"


@conformance(
    id="BG-I10",
    profile="ROLLOUT",
    level="extended",
    features=["SandboxAgentRetirement", "SubstrateEchoWorkload", "SubstrateOwned"],
    killers=["bg/strand-live"],
)
def test_drawn_interleavings_end_well(ordeal, falsify):
    """Whatever is done to an agent in whatever order, no invariant MUST break, and the last configuration
    MUST serve.
    """
    complaint = ordeal.complain(ANSWER_ACROSS_A_CHANGE)
    assert complaint == "", complaint

    counterexample = falsify(sequences(), ordeal.complain, tries=SEQUENCES, shrinks=SHRINKS)
    assert counterexample is None, str(counterexample)
