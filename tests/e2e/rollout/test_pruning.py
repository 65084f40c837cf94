"""What becomes of templates that a pass does not render."""

from __future__ import annotations

import pytest

from fixtures.conformance import conformance, provisional

pytestmark = provisional(since="0.1.0", promote_by="2027-01-31")

#: How often the controller is made to look.
PASSES = 10


@conformance(id="BG-C25", profile="ROLLOUT", level="core", killers=["bg/prune-unrendered"])
@pytest.mark.parametrize("dialect", ["v1_safe", "v1", "retain", "pinned"])
def test_pass_prunes_no_template(deploy, dialect):
    """A pass MUST NOT delete a template for the mere reason that it does not render it."""
    rollout = deploy(dialect=dialect)
    rollout.model()
    rollout.pool()
    rollout.pool("empty", replicas=0)
    agent, blue = rollout.ready_agent()

    # Without workers it never becomes Ready: there is no other reason for the first one to go.
    agent.patch({"declarative": {"systemMessage": "two"}, "substrate": {"workerPoolRef": {"name": "empty"}}})
    green = agent.next_template(blue, ready=False)
    for _ in range(PASSES):
        agent.touch()
    rollout.stays(blue)

    assert {t.uid for t in agent.templates()} == {blue.uid, green.uid}
