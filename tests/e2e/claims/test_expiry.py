"""When a claim's time is up."""

from __future__ import annotations

import pytest

from fixtures.conformance import conformance
from fixtures.kube.kinds import CLAIM
from fixtures.system.agent_sandbox.predicates import (
    is_bound,
    is_finished,
    is_not_ready,
    is_ready,
    is_unbound,
    owned_by,
)
from fixtures.system.agent_sandbox.times import in_seconds

#: Seconds from the creation of a claim to its shutdownTime: time enough to bind first.
LIFETIME = 4


@conformance(id="AS-L02", profile="CLAIMS", level="core", killers=["as/skip-expire", "as/bg-delete"])
@pytest.mark.parametrize("policy", ["Delete", "DeleteForeground"])
def test_expired_claim_says_so_before_it_is_deleted(make_pool, make_claim, sandboxes, wait, policy):
    """An expired claim MUST show ClaimExpired before it is deleted; in foreground its dependents go first."""
    pool = make_pool(replicas=1)
    claim = make_claim(pool, lifecycle={"shutdownTime": in_seconds(LIFETIME), "shutdownPolicy": policy})
    name = wait.until(claim, is_bound() & is_ready(), limit="claim_bind_warm").sandbox_name

    wait.gone(claim, limit="expiry_slack", grace=LIFETIME)
    wait.gone(sandboxes.named(name))

    history = wait.history()
    states = history.of(CLAIM, uid=claim.uid)
    expired = next(e for e in states if is_not_ready("ClaimExpired")(e.object))
    deleting = [e for e in states if e.object.deleting or e.deleted]
    assert expired.seq < deleting[0].seq
    last_of_sandbox = history.of(sandboxes.named(name).kind, name=name)[-1]
    if policy == "DeleteForeground":
        assert "foregroundDeletion" in deleting[0].object.metadata["finalizers"]
        gone = states[-1]
        assert last_of_sandbox.object.resource_version < gone.object.resource_version


def expire(claim, name, sandboxes, wait):
    """Return the claim when it has expired, stayed so, and its sandbox and Pod are gone."""
    wait.until(claim, is_not_ready("ClaimExpired"), limit="expiry_slack", grace=LIFETIME)
    wait.gone(sandboxes.named(name))
    wait.gone(sandboxes.pod(name))
    wait.until(claim, is_not_ready("ClaimExpired") & is_unbound(), limit="immediately")
    return wait.holds(claim, is_not_ready("ClaimExpired") & is_unbound())


@conformance(id="AS-L03", profile="CLAIMS", level="core", killers=["as/retain-leak", "as/skip-expire"])
def test_retained_claim_stays_without_its_sandbox(make_pool, make_claim, sandboxes, wait):
    """With Retain an expired claim MUST stay, unbound and with ClaimExpired, and its sandbox MUST go."""
    pool = make_pool(replicas=1)
    claim = make_claim(pool, lifecycle={"shutdownTime": in_seconds(LIFETIME), "shutdownPolicy": "Retain"})
    name = wait.until(claim, is_bound() & is_ready(), limit="claim_bind_warm").sandbox_name

    kept = expire(claim, name, sandboxes, wait)

    assert not is_finished()(kept)
    assert sandboxes.owned_by(claim) == []


@conformance(
    id="AS-L03b",
    profile="CLAIMS",
    level="core",
    needs=["pod-status-control"],
    killers=["as/retain-leak", "as/skip-expire"],
)
def test_retained_claim_of_an_ended_pod_stays_finished(
    make_pool, make_claim, make_pod_finish, sandboxes, wait
):
    """With Retain an expired claim whose Pod had ended MUST stay, Finished, and its sandbox MUST go."""
    pool = make_pool(replicas=1)
    claim = make_claim(pool, lifecycle={"shutdownTime": in_seconds(LIFETIME), "shutdownPolicy": "Retain"})
    name = wait.until(claim, is_bound() & is_ready(), limit="claim_bind_warm").sandbox_name
    make_pod_finish(name)
    wait.until(claim, is_finished(), limit="immediately")

    kept = expire(claim, name, sandboxes, wait)

    assert is_finished()(kept)
    assert sandboxes.owned_by(claim) == []


@conformance(
    id="AS-L04",
    profile="CLAIMS",
    level="core",
    needs=["pod-status-control"],
    killers=["as/skip-expire"],
)
@pytest.mark.parametrize(
    ("ttl", "lifetime", "earliest"),
    [
        pytest.param(0, None, 0, id="ttl-0"),
        pytest.param(4, None, 4, id="ttl-4"),
        pytest.param(3600, LIFETIME, 0, id="shutdown-time-first"),
        pytest.param(3, 3600, 3, id="ttl-first"),
    ],
)
def test_ttl_counts_from_the_end_of_the_pod(
    make_pool, make_claim, make_pod_finish, wait, ttl, lifetime, earliest
):
    """A TTL MUST count from the Finished condition's transition; the earlier of it and shutdownTime wins."""
    lifecycle = {"ttlSecondsAfterFinished": ttl, "shutdownPolicy": "Retain"}
    if lifetime is not None:
        lifecycle["shutdownTime"] = in_seconds(lifetime)
    pool = make_pool(replicas=1)
    claim = make_claim(pool, lifecycle=lifecycle)
    name = wait.until(claim, is_bound() & is_ready(), limit="claim_bind_warm").sandbox_name

    make_pod_finish(name)
    wait.until(claim, is_finished(), limit="immediately")
    wait.until(claim, is_not_ready("ClaimExpired"), limit="expiry_slack", grace=max(LIFETIME, earliest))

    states = wait.history().of(CLAIM, uid=claim.uid)
    ended = next(e for e in states if is_finished()(e.object))
    expired = next(e for e in states if is_not_ready("ClaimExpired")(e.object))
    # The condition has whole seconds, so it may stand for an instant up to 1 s before it was seen.
    assert expired.received - ended.received > earliest - 1.5


@conformance(id="AS-L06", profile="CLAIMS", level="core", killers=["as/forget-owner"])
def test_expiry_spares_a_foreign_sandbox(make_pool, make_claim, sandboxes, wait):
    """Expiry MUST NOT delete a sandbox that the claim does not own."""
    pool = make_pool(replicas=0)
    foreign = sandboxes.sandbox("taken")
    claim = make_claim(
        pool,
        name="taken",
        lifecycle={"shutdownTime": in_seconds(LIFETIME), "shutdownPolicy": "Retain"},
    )

    wait.until(claim, is_not_ready("ClaimExpired"), limit="expiry_slack", grace=LIFETIME)

    state = wait.holds(foreign, ~owned_by(claim.uid))
    assert (state.uid, state.deleting) == (foreign.uid, False)
