"""A claim for a stocked pool takes a ready member, and what the adopted sandbox then looks like."""

from __future__ import annotations

import pytest

from fixtures.conformance import conformance
from fixtures.kube.kinds import PERSISTENT_VOLUME_CLAIM
from fixtures.system.agent_sandbox.predicates import (
    has_pod_label,
    is_bound,
    is_bound_to,
    is_ready,
    lacks_annotation,
    lacks_label,
    owned_by,
)
from fixtures.system.agent_sandbox.views import (
    CLAIM_UID,
    CREATED_BY,
    LAUNCH_TYPE,
    POD_NAME,
    POD_TEMPLATE_HASH,
    POOL_HASH,
    SAFE_TO_EVICT,
    TEMPLATE_HASH,
    TEMPLATE_REF,
    TEMPLATE_REF_HASH,
    name_hash,
)


@conformance(id="AS-C01", profile="CLAIMS", level="core", killers=["as/cold-always", "as/pod-kill"])
def test_claim_adopts_a_ready_member_with_its_pod(make_pool, make_claim, sandboxes, wait):
    """A claim for a pool with a ready member MUST adopt that member, and its running Pod with it."""
    pool = make_pool(replicas=1)
    [member] = pool.members()
    pod = wait.current(sandboxes.pod(member.name))

    claim = make_claim(pool)
    bound = wait.until(claim, is_bound() & is_ready(), limit="claim_bind_warm")

    assert bound.sandbox_name == member.name
    assert bound.assigned == member.name
    adopted = wait.current(sandboxes.named(member.name))
    assert (adopted.uid, adopted.claim_owner) == (member.uid, claim.uid)
    assert wait.current(sandboxes.pod(member.name)).uid == pod.uid
    # Ready alone is also what a cold start ends in.
    assert [s.name for s in sandboxes.owned_by(claim)] == [member.name]


@conformance(id="AS-A01", profile="CLAIMS", level="core", killers=["as/adopt-edit-labels"])
@pytest.mark.parametrize("created_by", ["python-client", None], ids=["created-by", "no-created-by"])
def test_adoption_relabels_the_sandbox(make_pool, make_claim, sandboxes, wait, created_by):
    """Adoption MUST take the pool's labels off the sandbox and put the claim's on."""
    pool = make_pool(replicas=1)
    [member] = pool.members()
    assert {POOL_HASH, TEMPLATE_HASH} <= set(member.labels)

    claim = make_claim(pool, labels={CREATED_BY: created_by} if created_by else None)
    wait.until(claim, is_bound_to(member.name), limit="claim_bind_warm")
    labels = wait.current(sandboxes.named(member.name)).labels

    assert not {POOL_HASH, TEMPLATE_HASH, POD_TEMPLATE_HASH} & set(labels)
    assert labels[LAUNCH_TYPE] == "warm"
    assert labels[CLAIM_UID] == claim.uid
    assert labels[TEMPLATE_REF_HASH] == name_hash(pool.template.name)
    assert labels.get(CREATED_BY) == created_by


@conformance(id="AS-A02", profile="CLAIMS", level="core", killers=["as/adopt-edit-owner"])
def test_adoption_leaves_one_owner(make_pool, make_claim, sandboxes, wait):
    """An adopted sandbox MUST have exactly one owner reference, to its claim, as controller."""
    pool = make_pool(replicas=1)
    [member] = pool.members()

    claim = make_claim(pool)
    wait.until(claim, is_bound_to(member.name), limit="claim_bind_warm")
    adopted = wait.current(sandboxes.named(member.name))

    owners = [(o.kind, o.name, o.uid, o.controller) for o in adopted.owners]
    assert owners == [("SandboxClaim", claim.name, claim.uid, True)]


@conformance(id="AS-A03", profile="CLAIMS", level="extended", killers=["as/adopt-edit-annotations"])
def test_adoption_keeps_the_template_reference(make_pool, make_claim, sandboxes, wait):
    """An adopted sandbox MUST keep the annotation that names its template."""
    pool = make_pool(replicas=1)
    [member] = pool.members()

    claim = make_claim(pool)
    wait.until(claim, is_bound_to(member.name), limit="claim_bind_warm")
    adopted = wait.current(sandboxes.named(member.name))

    assert adopted.annotations[TEMPLATE_REF] == pool.template.name == member.annotations[TEMPLATE_REF]
    # Deprecated in v1.0: it may be missing, but never name another Pod.
    assert adopted.annotations.get(POD_NAME, member.name) == member.name


@conformance(id="AS-A04", profile="CLAIMS", level="extended", killers=["as/adopt-edit-metadata"])
def test_adopted_pod_template_metadata_is_exact(make_template, make_pool, make_claim, sandboxes, wait):
    """An adopted sandbox's Pod metadata MUST be the template's, the claim's identity and the claim's own."""
    metadata = {"labels": {"tier": "gold"}, "annotations": {"example.com/team": "red"}}
    template = make_template(podTemplate={"metadata": metadata})
    pool = make_pool(replicas=1, template=template)
    [member] = pool.members()

    claim = make_claim(
        pool,
        labels={CREATED_BY: "python-client"},
        additionalPodMetadata={
            "labels": {"sandbox.users.io/session": "s1"},
            "annotations": {"example.com/trace": "t1"},
        },
    )
    wait.until(claim, is_bound_to(member.name), limit="claim_bind_warm")
    adopted = wait.current(sandboxes.named(member.name))

    assert adopted.pod_labels == {
        "tier": "gold",
        CLAIM_UID: claim.uid,
        TEMPLATE_REF_HASH: name_hash(template.name),
        CREATED_BY: "python-client",
        "sandbox.users.io/session": "s1",
    }
    assert adopted.pod_annotations == {"example.com/team": "red", "example.com/trace": "t1"}


@conformance(id="AS-A05", profile="CLAIMS", level="extended", killers=["as/adopt-edit-eviction"])
@pytest.mark.parametrize(
    ("in_template", "after"), [(None, None), ("false", "false")], ids=["pool-default", "template-false"]
)
def test_adoption_protects_from_eviction(
    make_template, make_pool, make_claim, sandboxes, wait, in_template, after
):
    """Adoption MUST remove safe-to-evict "true" and the pool's label from the live Pod, and keep "false"."""
    annotations = {SAFE_TO_EVICT: in_template} if in_template else {}
    template = make_template(podTemplate={"metadata": {"annotations": annotations}})
    pool = make_pool(replicas=1, template=template)
    [member] = pool.members()
    before = wait.current(sandboxes.pod(member.name))
    assert before.annotations[SAFE_TO_EVICT] == (in_template or "true")
    assert POOL_HASH in before.labels

    claim = make_claim(pool)
    wait.until(claim, is_bound_to(member.name), limit="claim_bind_warm")
    settled = lacks_label(POOL_HASH) & (lacks_annotation(SAFE_TO_EVICT) if after is None else is_ready())
    pod = wait.until(sandboxes.pod(member.name), settled, limit="immediately")

    assert pod.uid == before.uid
    assert pod.annotations.get(SAFE_TO_EVICT) == after
    adopted = wait.current(sandboxes.named(member.name))
    assert adopted.pod_annotations.get(SAFE_TO_EVICT) == after


@conformance(
    id="AS-A06",
    profile="CLAIMS",
    level="core",
    needs=["pod-status-control"],
    killers=["as/pod-kill", "as/adopt-edit-spec"],
)
def test_adoption_changes_nothing_that_runs(
    make_template, make_pool, make_claim, sandboxes, static_volumes, wait
):
    """Adoption MUST NOT change Pod spec, volume claims, name or UIDs of the sandbox and its Pod."""
    volume = static_volumes(1)
    template = make_template(volumeClaimTemplates=[volume.claim_template("data")])
    pool = make_pool(replicas=1, template=template)
    [member] = pool.members()
    pod = wait.current(sandboxes.pod(member.name))
    [disk] = wait.history().live(PERSISTENT_VOLUME_CLAIM)

    claim = make_claim(pool)
    wait.until(claim, is_bound_to(member.name) & is_ready(), limit="claim_bind_warm")
    adopted = wait.until(sandboxes.named(member.name), owned_by(claim.uid), limit="immediately")
    running = wait.until(sandboxes.pod(member.name), lacks_label(POOL_HASH), limit="immediately")

    # The state that was waited for may have been its last.
    assert wait.current(sandboxes.pod(member.name)).uid == pod.uid
    assert (adopted.name, adopted.uid) == (member.name, member.uid)
    assert adopted.pod_spec == member.pod_spec
    assert adopted.spec["volumeClaimTemplates"] == member.spec["volumeClaimTemplates"]
    assert (running.uid, running.spec) == (pod.uid, pod.spec)
    after = wait.history().named(PERSISTENT_VOLUME_CLAIM, disk.name)
    assert (after.uid, after.deleting) == (disk.uid, False)


@conformance(id="AS-A07", profile="CLAIMS", level="core", killers=["as/no-refill"])
def test_adopted_sandbox_leaves_its_pool(make_pool, make_claim, sandboxes, wait):
    """An adopted sandbox MUST NOT count in its pool, which refills, and MUST survive the pool's deletion."""
    pool = make_pool(replicas=2)
    before = pool.members()

    claim = make_claim(pool)
    bound = wait.until(claim, is_bound() & is_ready(), limit="claim_bind_warm")
    sandboxes.refilled(pool, 2, without=[bound.sandbox_name])

    after = {m.name for m in pool.members()}
    assert bound.sandbox_name in {m.name for m in before}
    assert len(after - {m.name for m in before}) == 1

    pool.delete()
    wait.gone(pool)
    for member in after:
        wait.gone(sandboxes.named(member))
    kept = wait.holds(sandboxes.named(bound.sandbox_name), owned_by(claim.uid))
    assert not kept.deleting
    wait.holds(claim, is_bound_to(bound.sandbox_name) & is_ready())


@conformance(id="AS-A08", profile="CLAIMS", level="extended", strength="MAY")
def test_template_metadata_reaches_a_bound_sandbox(make_pool, make_claim, sandboxes, wait):
    """A claim MAY carry later changes of its template's metadata over to its bound sandbox."""
    pool = make_pool(replicas=1)
    claim = make_claim(pool)
    bound = wait.until(claim, is_bound() & is_ready(), limit="claim_bind_warm")

    pool.template.patch({"spec": {"podTemplate": {"metadata": {"labels": {"tier": "silver"}}}}})
    claim.patch({"metadata": {"annotations": {"example.com/touched": "1"}}})

    wait.until(
        sandboxes.named(bound.sandbox_name),
        has_pod_label("tier", "silver"),
        limit="immediately",
    )
