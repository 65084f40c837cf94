"""A sandbox whose Pod is gone, or has ended."""

from __future__ import annotations

import pytest

from fixtures.conformance import conformance
from fixtures.journal.predicates import condition
from fixtures.kube.kinds import POD
from fixtures.system.agent_sandbox.handles import pod_spec
from fixtures.system.agent_sandbox.predicates import is_in_phase, is_not_ready, is_other_than, is_ready
from fixtures.system.agent_sandbox.views import Pod


@conformance(
    id="AS-S04",
    profile="WARMPOOL",
    level="core",
    needs=["pod-status-control"],
    killers=["as/no-replacement", "as/pod-kill-finish"],
)
@pytest.mark.parametrize("end", ["deleted", "Failed", "Succeeded"])
def test_lost_pod_is_replaced_and_an_ended_one_is_not(api, sandboxes, set_pod_status, wait, end):
    """A deleted Pod MUST be replaced; one that ended MUST stay and be reported, Ready=False and Finished."""
    spec = pod_spec() | {"restartPolicy": "Never"}
    sandbox = sandboxes.sandbox("sandbox", podTemplate={"metadata": {}, "spec": spec})
    wait.until(sandbox, is_ready(), limit="claim_bind_cold")
    first = wait.current(sandboxes.pod("sandbox"))

    if end == "deleted":
        api.delete(POD, "sandbox", sandbox.namespace)
        wait.gone(sandboxes.pod_of(first))
        second = wait.any(POD, Pod, is_other_than(first), limit="immediately")
        assert (second.name, second.controller.uid) == ("sandbox", sandbox.uid)
        back = wait.until(sandbox.after(second), is_ready(), limit="claim_bind_cold")
        assert back.condition("Finished") is None
    else:
        set_pod_status("sandbox", phase=end, ready=False)
        finished = condition("Finished", "True", f"Pod{end}")
        wait.until(sandbox, is_not_ready(f"Pod{end}") & finished, limit="immediately")
        wait.holds(sandboxes.pod_of(first), is_in_phase(end))
        wait.holds(sandbox, is_not_ready(f"Pod{end}") & finished)
