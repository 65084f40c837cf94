"""A sandbox with more than one Pod."""

from __future__ import annotations

from fixtures.conformance import conformance
from fixtures.journal.predicates import exists
from fixtures.kube.kinds import EVENT, POD, SERVICE
from fixtures.kube.snapshot import Snapshot
from fixtures.system.agent_sandbox.predicates import is_event, is_not_ready, is_ready
from fixtures.system.agent_sandbox.views import NAME_HASH, name_hash


@conformance(
    id="AS-S08",
    profile="WARMPOOL",
    level="extended",
    features=["SandboxMultiplePods"],
    killers=["as/hide-foreign"],
)
def test_second_pod_is_reported_and_nothing_is_touched(sandboxes, make_bystander, api, wait):
    """A sandbox with two Pods MUST say MultiplePods, warn once, and leave its Service as it is."""
    sandbox = sandboxes.sandbox("sandbox", service=True)
    wait.until(sandbox, is_ready(), limit="claim_bind_cold")
    first = wait.current(sandboxes.pod("sandbox"))
    service = wait.current(sandboxes.child(SERVICE, "sandbox"))

    second = make_bystander(POD, "second", {NAME_HASH: name_hash("sandbox")}, sandbox)
    wait.until(sandbox, is_not_ready("MultiplePods"), limit="immediately")
    wait.any(EVENT, Snapshot, is_event("MultiplePods", sandbox.uid), limit="immediately")
    # Without the second Pod this would remove the Service.
    sandbox.patch({"spec": {"service": False}})
    kept = wait.holds(sandboxes.child(SERVICE, "sandbox"), exists())

    assert kept.resource_version == service.resource_version
    history = wait.history()
    warnings = [s for s in history.live(EVENT) if is_event("MultiplePods", sandbox.uid)(s)]
    # One Event; a controller that has not yet read its own status may count it twice in there.
    assert [w.raw["type"] for w in warnings] == ["Warning"]
    pods = {s.uid for s in history.live(POD) if not s.deleting}
    assert pods == {first.uid, second.uid}

    api.delete(POD, "second", sandbox.namespace)
    wait.gone(sandboxes.child(SERVICE, "sandbox"))
    wait.until(sandbox.after(kept), is_ready(), limit="immediately")
