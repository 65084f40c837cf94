"""Labels and annotations that a claim asks for on its Pod."""

from __future__ import annotations

import pytest

from fixtures.conformance import conformance
from fixtures.kube.kinds import SANDBOX
from fixtures.system.agent_sandbox.predicates import (
    has_annotation,
    has_label,
    is_bound,
    is_not_ready,
    owned_by,
)
from fixtures.system.agent_sandbox.views import SAFE_TO_EVICT


def check_refused(make_pool, make_claim, claim_barrier, wait, metadata):
    """A claim with this metadata ends in InvalidMetadata; no member is taken and no sandbox made."""
    pool = make_pool(replicas=1)
    [member] = pool.members()
    mark = wait.journal.position()

    claim = make_claim(pool, additionalPodMetadata=metadata)
    state = wait.until(claim, is_not_ready("InvalidMetadata"), limit="immediately")

    assert state.sandbox_name == ""
    wait.never(SANDBOX, owned_by(claim.uid), since=mark, barrier=claim_barrier)
    assert [m.name for m in pool.members()] == [member.name]


@conformance(id="AS-M01", profile="CLAIMS", level="extended", killers=["as/strip-spec"])
@pytest.mark.parametrize(
    "label", ["plain", "example.com/team", "users.io/team", "notsandbox.users.io/team", "agents.x-k8s.io/x"]
)
def test_labels_outside_the_allowed_domains_are_refused(make_pool, make_claim, claim_barrier, wait, label):
    """A Pod label MUST be refused with InvalidMetadata unless its domain is on the allow list."""
    check_refused(make_pool, make_claim, claim_barrier, wait, {"labels": {label: "x"}})


@conformance(id="AS-M02", profile="CLAIMS", level="extended", killers=["as/strip-spec"])
@pytest.mark.parametrize(
    "metadata",
    [
        pytest.param({"labels": {"app": "sandbox-router"}}, id="router-label"),
        pytest.param({"annotations": {"kubernetes.io/x": "1"}}, id="kubernetes.io"),
        pytest.param({"annotations": {"node.k8s.io/x": "1"}}, id="k8s.io"),
        pytest.param({"annotations": {"agents.x-k8s.io/x": "1"}}, id="agents.x-k8s.io"),
    ],
)
def test_system_metadata_is_refused(make_pool, make_claim, claim_barrier, wait, metadata):
    """Metadata that belongs to the system MUST be refused with InvalidMetadata."""
    check_refused(make_pool, make_claim, claim_barrier, wait, metadata)


@conformance(id="AS-M03", profile="CLAIMS", level="extended", killers=["as/strip-spec"])
@pytest.mark.parametrize("replicas", [1, 0], ids=["warm", "cold"])
def test_allowed_metadata_reaches_the_pod(make_pool, make_claim, sandboxes, wait, replicas):
    """Valid metadata MUST reach the sandbox's Pod template and its live Pod, warm and cold."""
    pool = make_pool(replicas=replicas)

    claim = make_claim(
        pool,
        additionalPodMetadata={
            "labels": {"sandbox.users.io/session": "s1", "team.sandbox.users.io/name": "red"},
            "annotations": {"example.com/trace": "t1", SAFE_TO_EVICT: "true"},
        },
    )
    bound = wait.until(claim, is_bound(), limit="claim_bind_cold")
    pod = wait.until(
        sandboxes.pod(bound.sandbox_name),
        has_label("sandbox.users.io/session", "s1")
        & has_label("team.sandbox.users.io/name", "red")
        & has_annotation("example.com/trace", "t1")
        & has_annotation(SAFE_TO_EVICT, "true"),
        limit="immediately",
    )

    sandbox = wait.current(sandboxes.named(bound.sandbox_name))
    assert sandbox.launch_type == ("warm" if replicas else "cold")
    assert sandbox.pod_labels["sandbox.users.io/session"] == "s1"
    assert sandbox.pod_annotations["example.com/trace"] == "t1"
    assert pod.name == sandbox.name
