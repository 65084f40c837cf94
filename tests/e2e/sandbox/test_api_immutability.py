"""What the API lets nobody change."""

from __future__ import annotations

import pytest

from fixtures.conformance import conformance
from fixtures.kube.client import refusal
from fixtures.system.agent_sandbox.predicates import is_ready


@conformance(id="AS-API-1", profile="WARMPOOL", level="core", killers=["as/crd-loose"])
@pytest.mark.parametrize("change", ["added-first", "added-another", "edited", "removed"])
def test_volume_claim_templates_cannot_be_changed(sandboxes, static_volumes, wait, change):
    """A sandbox's volumeClaimTemplates MUST NOT be added, edited or removed once it exists."""
    volumes = static_volumes(1)
    data, logs = volumes.claim_template("data"), volumes.claim_template("logs")
    bigger = volumes.claim_template("data")
    bigger["spec"]["resources"]["requests"]["storage"] = "2Gi"
    before = [] if change == "added-first" else [data]
    after = {"added-first": [data], "added-another": [data, logs], "edited": [bigger], "removed": None}[
        change
    ]
    sandbox = sandboxes.sandbox("sandbox", **({"volumeClaimTemplates": before} if before else {}))
    wait.until(sandbox, is_ready(), limit="claim_bind_cold")

    refused = refusal(lambda: sandbox.patch({"spec": {"volumeClaimTemplates": after}}))

    assert refused is not None
    assert refused.status == 422
    assert "volumeClaimTemplates is immutable" in refused.message
    assert sandbox.read().spec.get("volumeClaimTemplates", []) == sandbox.created.spec.get(
        "volumeClaimTemplates", []
    )
