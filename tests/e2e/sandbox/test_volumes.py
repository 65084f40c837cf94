"""The volume claims of a sandbox."""

from __future__ import annotations

from fixtures.conformance import conformance
from fixtures.journal.predicates import exists
from fixtures.kube.kinds import PERSISTENT_VOLUME_CLAIM
from fixtures.system.agent_sandbox.handles import pod_spec
from fixtures.system.agent_sandbox.predicates import is_ready
from fixtures.system.agent_sandbox.views import NAME_HASH, name_hash


@conformance(id="AS-S09", profile="WARMPOOL", level="core", killers=["as/no-child"])
def test_each_template_makes_one_volume_claim(sandboxes, static_volumes, wait):
    """Each volumeClaimTemplate MUST make the claim TEMPLATE-SANDBOX, the sandbox's own, used by its Pod."""
    volumes = static_volumes(2)
    templates = [volumes.claim_template("data"), volumes.claim_template("logs")]
    templates[0]["metadata"] |= {"labels": {"example.com/of": "data"}, "annotations": {"example.com/n": "1"}}
    # A volume of that name in the Pod template gives way to the claim.
    spec = pod_spec() | {"volumes": [{"name": "data", "emptyDir": {}}]}

    sandbox = sandboxes.sandbox(
        "sandbox", podTemplate={"metadata": {}, "spec": spec}, volumeClaimTemplates=templates
    )

    for template in templates:
        name = f"{template['metadata']['name']}-sandbox"
        claim = wait.until(sandboxes.child(PERSISTENT_VOLUME_CLAIM, name), exists(), limit="immediately")
        owners = [(o.kind, o.uid, o.controller) for o in claim.owners]
        assert owners == [("Sandbox", sandbox.uid, True)]
        assert claim.labels == {NAME_HASH: name_hash("sandbox")} | template["metadata"].get("labels", {})
        assert claim.annotations.items() >= template["metadata"].get("annotations", {}).items()
        assert claim.spec["resources"] == template["spec"]["resources"]
    wait.until(sandbox, is_ready(), limit="claim_bind_cold")
    pod = wait.current(sandboxes.pod("sandbox"))
    mounted = {v["name"]: v.get("persistentVolumeClaim", {}).get("claimName") for v in pod.spec["volumes"]}
    assert {k: mounted.get(k) for k in ("data", "logs")} == {"data": "data-sandbox", "logs": "logs-sandbox"}
