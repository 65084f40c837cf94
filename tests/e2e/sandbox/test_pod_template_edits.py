"""What an edit of a sandbox's Pod template does to the Pod that is there."""

from __future__ import annotations

import pytest

from fixtures.conformance import conformance
from fixtures.system.agent_sandbox.handles import pod_spec
from fixtures.system.agent_sandbox.predicates import has_label, is_ready
from fixtures.system.agent_sandbox.views import NAME_HASH, name_hash


@conformance(
    id="AS-S05", profile="WARMPOOL", level="core", killers=["as/no-mend", "as/pod-kill-edit", "as/pod-tamper"]
)
@pytest.mark.parametrize("part", ["metadata", "spec"])
def test_metadata_edits_reach_the_pod_and_spec_edits_leave_it(sandboxes, wait, part):
    """Edits of Pod metadata, removals too, MUST reach the running Pod; edits of its spec MUST leave it."""
    before = {"example.com/kept": "1", "example.com/changed": "1", "example.com/removed": "1"}
    sandbox = sandboxes.sandbox(
        "sandbox",
        podTemplate={"metadata": {"labels": before, "annotations": before}, "spec": pod_spec()},
    )
    wait.until(sandbox, is_ready(), limit="claim_bind_cold")
    pod = wait.current(sandboxes.pod("sandbox"))

    edit = {"example.com/changed": "2", "example.com/removed": None, "example.com/added": "1"}
    # The spec changes in the same write as the metadata, which shows when the controller has seen it.
    spec = {"hostname": "edited", "activeDeadlineSeconds": 3600} if part == "spec" else {}
    sandbox.patch(
        {"spec": {"podTemplate": {"metadata": {"labels": edit, "annotations": edit}, "spec": spec}}}
    )
    wait.until(sandboxes.pod_of(pod), has_label("example.com/added", "1"), limit="immediately")
    edited = wait.holds(sandboxes.pod_of(pod), has_label("example.com/added", "1"))

    after = {"example.com/kept": "1", "example.com/changed": "2", "example.com/added": "1"}
    assert edited.labels == {NAME_HASH: name_hash("sandbox"), **after}
    assert {k: v for k, v in edited.annotations.items() if k.startswith("example.com/")} == after
    assert edited.spec == pod.spec
