"""What the API refuses, fills in, and offers for scaling."""

from __future__ import annotations

import pytest

from fixtures.conformance import conformance
from fixtures.kube.client import refusal
from fixtures.kube.kinds import CLAIM, SANDBOX, TEMPLATE, WARM_POOL
from fixtures.system.agent_sandbox.handles import pod_spec
from fixtures.system.agent_sandbox.predicates import has_members

POD_TEMPLATE = {"podTemplate": {"spec": pod_spec()}}
POOL = {"warmPoolRef": {"name": "pool"}}
REFERENCE = {"sandboxTemplateRef": {"name": "template"}}
#: Name of the case: kind, and a spec that is wrong in one thing.
WRONG = {
    "sandbox-mode": (SANDBOX, {**POD_TEMPLATE, "operatingMode": "Asleep"}),
    "sandbox-policy": (SANDBOX, {**POD_TEMPLATE, "shutdownPolicy": "DeleteForeground"}),
    "sandbox-without-pod": (SANDBOX, {}),
    "claim-policy": (CLAIM, {**POOL, "lifecycle": {"shutdownPolicy": "Keep"}}),
    "claim-ttl": (CLAIM, {**POOL, "lifecycle": {"ttlSecondsAfterFinished": -1}}),
    "claim-without-pool": (CLAIM, {}),
    "claim-pool-without-name": (CLAIM, {"warmPoolRef": {}}),
    "template-network": (TEMPLATE, {**POD_TEMPLATE, "networkPolicyManagement": "Mine"}),
    "template-environment": (TEMPLATE, {**POD_TEMPLATE, "envVarsInjectionPolicy": "Sometimes"}),
    "template-volumes": (TEMPLATE, {**POD_TEMPLATE, "volumeClaimTemplatesPolicy": "Sometimes"}),
    "pool-replicas": (WARM_POOL, {**REFERENCE, "replicas": -1}),
    "pool-strategy": (WARM_POOL, {**REFERENCE, "updateStrategy": {"type": "RollingUpdate"}}),
    "pool-without-template": (WARM_POOL, {"replicas": 1}),
    "pool-template-without-name": (WARM_POOL, {"replicas": 1, "sandboxTemplateRef": {}}),
}
#: Kind, a spec that says as little as it may, and what is filled in.
FILLED_IN = {
    SANDBOX: (POD_TEMPLATE, {"operatingMode": "Running", "shutdownPolicy": "Retain"}),
    CLAIM: ({**POOL, "lifecycle": {}}, {"lifecycle": {"shutdownPolicy": "Retain"}}),
    TEMPLATE: (
        POD_TEMPLATE,
        {
            "networkPolicyManagement": "Managed",
            "envVarsInjectionPolicy": "Disallowed",
            "volumeClaimTemplatesPolicy": "Disallowed",
        },
    ),
    WARM_POOL: (
        {**REFERENCE, "updateStrategy": {}},
        {"replicas": 1, "updateStrategy": {"type": "OnReplenish"}},
    ),
}


@conformance(id="AS-API-2", profile="WARMPOOL", level="core", killers=["as/crd-loose"])
@pytest.mark.parametrize("case", [*WRONG, "defaults", "scale"])
def test_api_refuses_what_is_wrong_and_fills_in_the_rest(api, namespace, make_pool, wait, case):
    """The API MUST refuse bad values and missing references, fill in defaults, and scale pools by /scale."""
    if case in WRONG:
        kind, spec = WRONG[case]
        refused = refusal(lambda: api.create(kind, {"metadata": {"name": "wrong"}, "spec": spec}, namespace))
        assert refused is not None
        assert (refused.status, refused.reason) == (422, "Invalid")
    elif case == "defaults":
        for kind, (spec, defaults) in FILLED_IN.items():
            api.create(kind, {"metadata": {"name": "brief"}, "spec": spec}, namespace)
            found = api.get(kind, "brief", namespace).spec
            assert {key: found.get(key) for key in defaults} == defaults
    else:
        pool = make_pool(replicas=2)
        scaled = api.patch(WARM_POOL, pool.name, {"spec": {"replicas": 1}}, namespace, subresource="scale")
        assert scaled.spec == {"replicas": 1}
        state = wait.until(pool, has_members(1), limit="object_gone")
        assert state.spec["replicas"] == 1
        scale = api.request("GET", WARM_POOL.path(namespace, pool.name, "scale"))
        assert scale["kind"] == "Scale"
        assert scale["status"] == {"replicas": 1, "selector": state.status["selector"]}
