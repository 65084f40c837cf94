"""Suspending a sandbox and resuming it."""

from __future__ import annotations

from fixtures.conformance import conformance
from fixtures.journal.predicates import condition
from fixtures.kube.kinds import PERSISTENT_VOLUME_CLAIM, POD, SERVICE
from fixtures.system.agent_sandbox.predicates import is_not_ready, is_other_than, is_ready, is_suspended
from fixtures.system.agent_sandbox.views import Pod


@conformance(id="AS-S10", profile="WARMPOOL", level="core", killers=["as/no-replacement", "as/ready-early"])
def test_suspension_takes_the_pod_alone_and_resuming_brings_a_new_one(
    sandboxes, static_volumes, deletion_held, wait
):
    """Suspension MUST delete the Pod alone, be complete when it is gone, and end with a new Pod on resume."""
    volumes = static_volumes(1)
    sandbox = sandboxes.sandbox(
        "sandbox", service=True, volumeClaimTemplates=[volumes.claim_template("data")]
    )
    wait.until(sandbox, is_ready(), limit="claim_bind_cold")
    pod = wait.current(sandboxes.pod("sandbox"))
    service = wait.current(sandboxes.child(SERVICE, "sandbox"))
    claim = wait.current(sandboxes.child(PERSISTENT_VOLUME_CLAIM, "data-sandbox"))

    with deletion_held(pod):
        sandbox.patch({"spec": {"operatingMode": "Suspended"}})
        suspending = condition("Suspended", "False", "PodTerminating") & is_not_ready("SandboxSuspended")
        wait.until(sandbox, suspending, limit="immediately")
        wait.holds(sandbox, suspending)
    wait.gone(sandboxes.pod_of(pod))
    wait.until(sandbox, is_suspended() & is_not_ready("SandboxSuspended"), limit="immediately")
    suspended = wait.holds(sandbox, is_suspended())

    assert not {"podIPs", "nodeName"} & set(suspended.status)
    assert wait.history().live(POD) == []
    assert wait.current(sandboxes.child(SERVICE, "sandbox")).uid == service.uid
    kept = wait.current(sandboxes.child(PERSISTENT_VOLUME_CLAIM, "data-sandbox"))
    assert (kept.uid, kept.deleting) == (claim.uid, False)

    sandbox.patch({"spec": {"operatingMode": "Running"}})
    resumed = wait.any(POD, Pod, is_other_than(pod), limit="immediately")
    running = condition("Suspended", "False", "NotSuspended")
    wait.until(sandbox, is_ready() & running, limit="claim_bind_cold")

    mounted = [v.get("persistentVolumeClaim") for v in resumed.spec["volumes"] if v["name"] == "data"]
    assert mounted == [{"claimName": "data-sandbox"}]
    assert wait.current(sandboxes.child(PERSISTENT_VOLUME_CLAIM, "data-sandbox")).uid == claim.uid
