"""What must hold whatever is asked of the controller at once: claims, deletions, resizes, changes."""

from __future__ import annotations

from fixtures.conformance import conformance


@conformance(id="AS-I1", profile="CLAIMS", level="core", killers=["as/dup-bind"])
def test_no_sandbox_serves_two_claims(workload):
    """A sandbox MUST NOT serve two claims, at the same time or one after the other."""
    workload.prepare()
    workload.burst()
    workload.settle()

    assert workload.broken("AS-I1") == []


@conformance(id="AS-I2", profile="CLAIMS", level="core", killers=["as/lost-status"])
def test_no_claim_owns_two_sandboxes(workload):
    """A claim MUST NOT own two sandboxes, unless the first is on its way out."""
    workload.prepare()
    workload.burst()
    workload.settle()

    assert workload.broken("AS-I2") == []


@conformance(
    id="AS-I3",
    profile="WARMPOOL",
    level="core",
    features=["SandboxWarmPoolExpectations"],
    killers=["as/over-create"],
)
def test_no_pool_outgrows_its_size(workload):
    """A pool MUST NOT make a member beyond its size, the leaving ones counted, whatever is taken from it."""
    workload.prepare()
    workload.burst()
    workload.settle()

    assert workload.broken("AS-I3") == []


@conformance(id="AS-I4", profile="WARMPOOL", level="core", killers=["as/no-refill"])
def test_pools_come_to_rest_full(workload):
    """A pool at rest MUST have as many Ready members as its size, and report just that."""
    workload.prepare()
    workload.burst()

    workload.settle()


@conformance(id="AS-I5", profile="CLAIMS", level="core", killers=["as/adopt-edit-labels"])
def test_nothing_adopted_keeps_the_label_of_its_pool(workload):
    """An adopted sandbox MUST NOT keep its pool's label, and its Pod MUST lose it."""
    workload.prepare()
    workload.burst()
    workload.settle()

    assert workload.broken("AS-I5") == []


@conformance(id="AS-I6", profile="CLAIMS", level="core", needs=["gc"], killers=["as/orphan-delete"])
def test_nothing_is_left_of_claims_and_pools(workload):
    """When all claims and pools have expired or been deleted nothing of them MUST be left."""
    workload.prepare()
    workload.burst()

    workload.settle()
    workload.clear()
