"""What a changed template does to the members that a pool already has."""

from __future__ import annotations

import pytest

from fixtures.conformance import conformance
from fixtures.system.agent_sandbox.handles import pod_spec
from fixtures.system.agent_sandbox.predicates import is_bound, is_bound_to, is_ready

IMAGE = "registry.k8s.io/pause:3.9"
EDITED = {"podTemplate": {"spec": {"containers": [pod_spec()["containers"][0] | {"image": IMAGE}]}}}

#: What each change does to the spec of template or pool, and whether members made before it are stale.
CHANGES = {
    "pod-spec": (EDITED, True),
    "service": ({"service": True}, True),
    "volume-order": (None, True),
    "template-ref": (None, True),
    "metadata": ({"podTemplate": {"metadata": {"labels": {"tier": "gold"}}}}, False),
    "network-policy": ({"networkPolicy": {"ingress": []}}, False),
    "policies": ({"envVarsInjectionPolicy": "Allowed", "volumeClaimTemplatesPolicy": "Allowed"}, False),
}


@conformance(
    id="AS-W07",
    profile="WARMPOOL",
    level="core",
    needs=["pod-status-control"],
    killers=["as/roll-anyway", "as/never-roll", "as/pod-kill-edit"],
)
@pytest.mark.parametrize("change", sorted(CHANGES))
@pytest.mark.parametrize("strategy", ["Recreate", "OnReplenish"])
def test_template_change_replaces_stale_members_only_under_recreate(
    make_template, make_pool, make_claim, sandboxes, static_volumes, wait, strategy, change
):
    """A pool MUST replace stale members under Recreate only, and neither fresh nor claimed sandboxes ever."""
    spec = {}
    if change == "volume-order":
        # Two volumes for each of the claimed one, two members, and what comes after.
        volumes = static_volumes(14)
        spec["volumeClaimTemplates"] = [volumes.claim_template("a"), volumes.claim_template("b")]
    template = make_template(networkPolicy={"egress": []}, **spec)
    pool = make_pool(replicas=2, template=template, updateStrategy={"type": strategy})
    claim = make_claim(pool)
    claimed = wait.until(claim, is_bound() & is_ready(), limit="claim_bind_warm").sandbox_name
    sandboxes.refilled(pool, 2, without=[claimed])
    pod = wait.current(sandboxes.pod(claimed))
    before = [m.name for m in pool.members()]

    edit, stale = CHANGES[change]
    if change == "template-ref":
        other = make_template(networkPolicy={"egress": []}, **EDITED)
        pool.patch({"spec": {"sandboxTemplateRef": {"name": other.name}}})
    else:
        template.patch({"spec": edit or {"volumeClaimTemplates": spec["volumeClaimTemplates"][::-1]}})

    if stale and strategy == "Recreate":
        sandboxes.refilled(pool, 2, without=before)
    else:
        # The controller has seen the change by the time that another pool of the template is filled.
        make_pool(replicas=1, template=template)
    sandboxes.grow(pool, 3)
    members = pool.members()

    kept = [m.name for m in members if m.name in before]
    assert kept == ([] if stale and strategy == "Recreate" else before)
    assert follows(change, members[-1])
    wait.holds(claim, is_bound_to(claimed) & is_ready())
    assert wait.current(sandboxes.pod(claimed)).uid == pod.uid


def follows(change, member):
    """Whether a member made after the change follows it, where members show it at all."""
    return {
        "pod-spec": member.pod_spec["containers"][0]["image"] == IMAGE,
        "template-ref": member.pod_spec["containers"][0]["image"] == IMAGE,
        "service": member.spec.get("service") is True,
        "volume-order": [v["metadata"]["name"] for v in member.spec.get("volumeClaimTemplates", ())]
        == ["b", "a"],
        "metadata": member.pod_labels.get("tier") == "gold",
    }.get(change, True)
