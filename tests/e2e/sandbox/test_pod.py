"""The Pod that a sandbox gets."""

from __future__ import annotations

from fixtures.conformance import conformance
from fixtures.journal.predicates import exists
from fixtures.kube.kinds import POD
from fixtures.system.agent_sandbox.handles import pod_spec
from fixtures.system.agent_sandbox.predicates import has_label, is_ready
from fixtures.system.agent_sandbox.views import NAME_HASH, name_hash


@conformance(id="AS-S01", profile="WARMPOOL", level="core", killers=["as/no-child"])
def test_sandbox_gets_one_pod_of_its_name(sandboxes, wait):
    """A sandbox MUST get one Pod, of its name, owned by it and labelled with the hash of its name."""
    sandbox = sandboxes.sandbox("my-sandbox")

    pod = wait.until(sandboxes.pod("my-sandbox"), exists(), limit="immediately")
    ready = wait.until(sandbox, is_ready(), limit="claim_bind_cold")

    owners = [(o.kind, o.name, o.uid, o.controller) for o in pod.owners]
    assert owners == [("Sandbox", "my-sandbox", sandbox.uid, True)]
    # FNV-1a of the name, as the contract has it.
    assert pod.labels[NAME_HASH] == name_hash("my-sandbox") == "374de8f5"
    assert ready.status["selector"] == f"{NAME_HASH}=374de8f5"
    assert pod.spec["containers"][0]["image"] == pod_spec()["containers"][0]["image"]
    assert {s.uid for s in wait.history().live(POD)} == {pod.uid}


@conformance(id="AS-S02", profile="WARMPOOL", level="core", killers=["as/pod-tamper"])
def test_reserved_keys_never_reach_the_pod(sandboxes, wait):
    """Labels and annotations under the product's prefixes MUST NOT reach a Pod from its template."""
    reserved = {
        NAME_HASH: "00000000",
        "agents.x-k8s.io/forged": "1",
        "extensions.agents.x-k8s.io/forged": "1",
    }
    metadata = {
        "labels": {**reserved, "example.com/role": "agent"},
        "annotations": {**reserved, "example.com/note": "text"},
    }
    sandbox = sandboxes.sandbox("sandbox", podTemplate={"metadata": metadata, "spec": pod_spec()})
    wait.until(sandbox, is_ready(), limit="claim_bind_cold")
    made = wait.current(sandboxes.pod("sandbox"))
    # The same for a Pod that is there already.
    later = {"agents.x-k8s.io/later": "1", "extensions.agents.x-k8s.io/later": "1", "example.com/later": "1"}
    sandbox.patch({"spec": {"podTemplate": {"metadata": {"labels": later, "annotations": later}}}})
    changed = wait.until(sandboxes.pod("sandbox"), has_label("example.com/later", "1"), limit="immediately")

    assert made.labels == {NAME_HASH: name_hash("sandbox"), "example.com/role": "agent"}
    assert changed.labels == {**made.labels, "example.com/later": "1"}
    for pod in (made, changed):
        assert pod.annotations["example.com/note"] == "text"
        assert not set(pod.annotations) & {*reserved, "agents.x-k8s.io/later"}
        assert not [key for key in pod.annotations if key.startswith("extensions.agents.x-k8s.io/")]
