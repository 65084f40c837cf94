"""When a sandbox is Ready."""

from __future__ import annotations

import pytest

from fixtures.conformance import conformance
from fixtures.journal.predicates import exists
from fixtures.kube.kinds import SANDBOX, SERVICE
from fixtures.system.agent_sandbox.handles import pod_spec
from fixtures.system.agent_sandbox.predicates import is_not_ready, is_ready

#: What a Pod that serves has.
COMPLETE = {"phase": "Running", "ready": True, "address": "10.9.8.7"}


@conformance(
    id="AS-S03",
    profile="WARMPOOL",
    level="core",
    needs=["pod-status-control"],
    killers=["as/ready-early"],
)
@pytest.mark.parametrize("missing", ["phase", "ready", "address"])
def test_ready_needs_all_of_the_pod(sandboxes, set_pod_status, wait, missing):
    """A sandbox MUST be Ready only if its Pod runs, is ready and has an address, and its Service exists."""
    # Nobody schedules this Pod and no node plays it: its status is the test's alone.
    sandbox = sandboxes.sandbox(
        "sandbox",
        podTemplate={"metadata": {}, "spec": pod_spec() | {"schedulerName": "nobody"}},
        service=True,
    )
    wait.until(sandboxes.pod("sandbox"), exists(), limit="immediately")
    wait.until(sandbox, is_not_ready("DependenciesNotReady"), limit="immediately")

    set_pod_status("sandbox", **{k: v for k, v in COMPLETE.items() if k != missing})
    wait.holds(sandbox, ~is_ready())
    set_pod_status("sandbox", **{missing: COMPLETE[missing]})
    wait.until(sandbox, is_ready(), limit="immediately")
    if missing == "ready":
        lost = set_pod_status("sandbox", ready=False)
        wait.until(sandbox.after(lost), is_not_ready("DependenciesNotReady"), limit="immediately")

    history = wait.history()
    became_ready = next(e.object for e in history.of(SANDBOX, uid=sandbox.uid) if is_ready()(e.object))
    service = history.of(SERVICE, name="sandbox")[0].object
    assert service.resource_version < became_ready.resource_version
