"""Suspending and resuming a sandbox whose process is real."""

from __future__ import annotations

import pytest

from fixtures.conformance import conformance, provisional
from fixtures.kube.client import ApiError
from fixtures.system.agent_sandbox.predicates import is_not_ready, is_ready, is_suspended


@provisional(since="0.2.0", promote_by="2027-03-31")
@conformance(
    id="AS-K03",
    profile="WARMPOOL",
    level="extended",
    needs=["real-kubelet"],
    killers=["as/no-replacement", "as/ready-early"],
)
def test_a_suspended_sandbox_has_no_process_and_a_resumed_one_a_new_one(
    sandboxes, make_live_spec, processes, wait
):
    """A suspended sandbox MUST have no process, and a resumed one MUST have another one, that serves."""
    sandbox = sandboxes.sandbox("sandbox", podTemplate={"metadata": {}, "spec": make_live_spec()})
    wait.until(sandbox, is_ready(), limit="claim_bind_cold")
    before = processes.tell("sandbox", "lost on suspension")

    sandbox.patch({"spec": {"operatingMode": "Suspended"}})
    wait.until(sandbox, is_suspended() & is_not_ready("SandboxSuspended"), limit="object_gone")
    with pytest.raises(ApiError, match="404"):
        processes.identity("sandbox")

    sandbox.patch({"spec": {"operatingMode": "Running"}})
    wait.until(sandbox, is_ready(), limit="claim_bind_cold")
    after = processes.identity("sandbox")

    assert after.boot_id != before.boot_id
    assert after.nonce == ""
