"""When a sandbox's time is up."""

from __future__ import annotations

from datetime import datetime

import pytest

from fixtures.conformance import conformance
from fixtures.kube.kinds import PERSISTENT_VOLUME_CLAIM, POD, SANDBOX, SERVICE
from fixtures.system.agent_sandbox.predicates import is_not_ready, is_ready
from fixtures.system.agent_sandbox.times import in_seconds

#: Seconds from the creation of a sandbox to its shutdownTime: time enough to become Ready first.
LIFETIME = 5


@conformance(id="AS-S11", profile="WARMPOOL", level="core", killers=["as/no-mend", "as/skip-expire"])
@pytest.mark.parametrize("policy", ["Retain", "Delete"])
def test_expired_sandbox_says_so_and_loses_its_pod(sandboxes, static_volumes, wait, policy):
    """An expired sandbox MUST say so, then lose Pod and Service; with Retain it MUST stay, with Delete go."""
    shutdown = in_seconds(LIFETIME)
    sandbox = sandboxes.sandbox(
        "sandbox",
        service=True,
        volumeClaimTemplates=[static_volumes(1).claim_template("data")],
        shutdownTime=shutdown,
        shutdownPolicy=policy,
    )
    wait.until(sandbox, is_ready(), limit="claim_bind_cold")
    # As it was at first: on a slow machine the sandbox, and it, may have gone since.
    claim = wait.history().of(PERSISTENT_VOLUME_CLAIM, name="data-sandbox")[0].object

    expired = wait.until(sandbox, is_not_ready("SandboxExpired"), limit="expiry_slack", grace=LIFETIME)
    wait.gone(sandboxes.pod("sandbox"), limit="expiry_slack")
    wait.gone(sandboxes.child(SERVICE, "sandbox"), limit="expiry_slack")

    assert datetime.fromisoformat(expired.condition("Ready").last_transition) >= datetime.fromisoformat(
        shutdown
    )
    history = wait.history()
    for kind in (POD, SERVICE):
        leaving = [e for e in history.of(kind) if e.object.deleting or e.deleted]
        assert leaving[0].object.resource_version > expired.resource_version
    if policy == "Delete":
        wait.gone(sandbox)
    else:
        wait.holds(sandbox, is_not_ready("SandboxExpired"))
        kept = wait.current(sandboxes.child(PERSISTENT_VOLUME_CLAIM, "data-sandbox"))
        assert (kept.uid, kept.deleting) == (claim.uid, False)
        assert wait.history().of(SANDBOX, uid=sandbox.uid)[-1].object.status.get("podIPs") is None
