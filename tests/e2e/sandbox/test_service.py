"""The Service of a sandbox."""

from __future__ import annotations

import pytest

from fixtures.conformance import conformance
from fixtures.journal.predicates import exists, field
from fixtures.kube.kinds import SERVICE
from fixtures.system.agent_sandbox.predicates import is_ready
from fixtures.system.agent_sandbox.views import NAME_HASH, name_hash


@conformance(id="AS-S06", profile="WARMPOOL", level="core", killers=["as/no-child", "as/no-mend"])
@pytest.mark.parametrize("wanted", [True, False, None], ids=["on", "switched-off", "not-said"])
def test_service_follows_the_wish(sandboxes, wait, wanted):
    """With service: true a sandbox MUST have a headless Service of its name, with false or nothing none."""
    fields = {} if wanted is None else {"service": True}
    sandbox = sandboxes.sandbox("sandbox", **fields)

    if wanted is not None:
        service = wait.until(sandboxes.child(SERVICE, "sandbox"), exists(), limit="immediately")
        owners = [(o.kind, o.uid, o.controller) for o in service.owners]
        assert owners == [("Sandbox", sandbox.uid, True)]
        assert service.spec["clusterIP"] == "None"
        assert service.spec["selector"] == {NAME_HASH: name_hash("sandbox")}
    ready = wait.until(sandbox, is_ready(), limit="claim_bind_cold")

    if wanted is None:
        assert wait.history().of(SERVICE) == []
        assert "service" not in ready.status
        return
    assert ready.status["service"] == "sandbox"
    # The cluster's domain is the operator's choice.
    assert ready.status["serviceFQDN"].startswith(f"sandbox.{sandbox.namespace}.svc.")
    assert not ready.status["serviceFQDN"].endswith(".svc.")
    if not wanted:
        sandbox.patch({"spec": {"service": False}})
        wait.gone(sandboxes.child(SERVICE, "sandbox"))
        named = field("status.service", lambda s: s.status.get("service"), None)
        wait.until(sandbox, named & is_ready(), limit="immediately")
