"""Volume claim templates that a claim brings."""

from __future__ import annotations

import pytest

from fixtures.conformance import conformance
from fixtures.kube.kinds import SANDBOX
from fixtures.system.agent_sandbox.predicates import is_bound_to, is_not_ready, owned_by


def volume(name: str, storage: str = "1Gi"):
    """A volumeClaimTemplate."""
    return {
        "metadata": {"name": name},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": storage}}},
    }


@conformance(id="AS-V01", profile="CLAIMS", level="extended", killers=["as/policy-lie"])
@pytest.mark.parametrize(
    ("policy", "brought", "expected"),
    [
        pytest.param("Disallowed", [volume("extra")], None, id="disallowed"),
        pytest.param("Allowed", [volume("")], None, id="empty-name"),
        pytest.param("Allowed", [volume("extra"), volume("extra")], None, id="duplicate-name"),
        pytest.param("Allowed", [volume("data", "2Gi")], None, id="allowed-same-name"),
        pytest.param(
            "Allowed", [volume("extra")], [("data", "1Gi"), ("logs", "1Gi"), ("extra", "1Gi")], id="appended"
        ),
        pytest.param(
            "Overrides",
            [volume("extra"), volume("data", "2Gi")],
            [("data", "2Gi"), ("logs", "1Gi"), ("extra", "1Gi")],
            id="replaced-in-place",
        ),
    ],
)
def test_volume_claim_templates_follow_the_policy(
    make_template, make_pool, make_claim, sandboxes, claim_barrier, wait, policy, brought, expected
):
    """A claim's volume claim templates MUST be merged by the policy or end in VolumeClaimTemplatesError."""
    template = make_template(
        volumeClaimTemplatesPolicy=policy, volumeClaimTemplates=[volume("data"), volume("logs")]
    )
    pool = make_pool(replicas=0, template=template)
    mark = wait.journal.position()

    claim = make_claim(pool, volumeClaimTemplates=brought)

    if expected is None:
        wait.until(claim, is_not_ready("VolumeClaimTemplatesError"), limit="immediately")
        wait.never(SANDBOX, owned_by(claim.uid), since=mark, barrier=claim_barrier)
        return
    wait.until(claim, is_bound_to(claim.name), limit="claim_bind_cold")
    found = wait.current(sandboxes.named(claim.name)).spec["volumeClaimTemplates"]
    sizes = [(v["metadata"]["name"], v["spec"]["resources"]["requests"]["storage"]) for v in found]
    assert sizes == expected
