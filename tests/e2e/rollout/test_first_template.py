"""What the first pass over a new agent makes."""

from __future__ import annotations

from fixtures.conformance import conformance
from fixtures.journal.predicates import condition
from fixtures.kube.kinds import ACTOR_TEMPLATE, SANDBOX_AGENT
from fixtures.system.rollout.views import AGENT_LABEL, FINALIZER, MANAGED_BY


@conformance(id="BG-C01", profile="ROLLOUT", level="core", killers=["bg/churn"])
def test_new_agent_gets_one_template(rollout, wait):
    """A new agent MUST get exactly one template, named after its configuration, labelled and owned; and a
    finalizer.
    """
    agent, template = rollout.ready_agent("my-agent")
    # Written by a later pass, at whose beginning a further template would have been made.
    wait.until(agent, condition("Ready", "True", "WorkloadReady"), limit="template_applied")

    assert [t.uid for t in agent.templates()] == [template.uid]
    assert template.name == f"my-agent-{template.hash}"
    assert template.labels[AGENT_LABEL] == "my-agent"
    assert template.labels[MANAGED_BY] == "kagent"
    assert [(o.kind, o.uid, o.controller) for o in template.owners] == [("SandboxAgent", agent.uid, True)]
    assert FINALIZER in rollout.api.get(SANDBOX_AGENT, "my-agent", rollout.namespace).metadata["finalizers"]
    assert len({e.object.uid for e in rollout.wait.history().of(ACTOR_TEMPLATE)}) == 1
