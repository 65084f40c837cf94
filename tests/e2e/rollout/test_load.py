"""A change of configuration under load."""

from __future__ import annotations

from fixtures.conformance import conformance, provisional

pytestmark = provisional(since="0.1.0", promote_by="2027-01-31")


@conformance(
    id="BG-R04",
    profile="ROLLOUT",
    level="core",
    features=["SandboxAgentRetirement", "SubstrateEchoWorkload"],
    killers=["bg/sticky-session", "bg/split-brain", "bg/request-cut"],
)
def test_no_request_fails_while_templates_change(rollout, steady_requests):
    """While templates change under twenty requests a second, with a spare worker, no request MUST fail."""
    agent, blue = rollout.ready_agent()
    # Two sessions can have an actor of either template for a moment, and a golden is built beside them.
    rollout.scale(6)
    # Answers that go on for a while: some are open at whatever moment the new template takes over.
    with steady_requests(agent, rate=20, sessions=2, stream_for=0.3) as load:
        load.go_on_for(20)
        agent.edit("two")
        green = agent.green_template(blue)
        load.go_on_for(20)
        assert {a.template for a in load.answers()[-10:]} == {green.name}
        rollout.gone(blue)
        load.go_on_for(20)
    answers = load.answers()
    rollout.settles(agent)

    assert len(answers) >= 60
    assert [str(a) for a in answers if not a.ok] == []
    assert {a.template for a in answers} == {blue.name, green.name}
    # Every session moves over once, and never back.
    for session in {a.session for a in answers}:
        served = [a.template for a in answers if a.session == session]
        assert served == sorted(served, key=[blue.name, green.name].index)
