"""Where a claim looks for its sandbox, in order: status, assignment, its own name, the pool's queue."""

from __future__ import annotations

import pytest

from fixtures.conformance import conformance
from fixtures.kube.kinds import SANDBOX
from fixtures.system.agent_sandbox.predicates import (
    has_annotation,
    is_bound,
    is_bound_to,
    is_bound_to_other_than,
    is_named,
    is_not_ready,
    is_ready,
    lacks_label,
    owned_by,
)
from fixtures.system.agent_sandbox.views import ASSIGNED

FOREIGN = "is not controlled by claim"


@conformance(id="AS-C03", profile="CLAIMS", level="core", killers=["as/forget-binding"])
@pytest.mark.parametrize("case", ["status", "assignment", "legacy-label", "name"])
def test_sandbox_is_looked_up_in_order(make_pool, make_claim, sandboxes, claim_barrier, wait, case):
    """A claim MUST look at its status, then its assignment, then its name, and only then at the queue."""
    order = {
        "status": status_beats_assignment,
        "assignment": assignment_beats_name,
        "legacy-label": legacy_label_is_migrated,
        "name": name_beats_queue,
    }
    order[case](make_pool, make_claim, sandboxes, claim_barrier, wait)


def status_beats_assignment(make_pool, make_claim, sandboxes, claim_barrier, wait):
    pool = make_pool(replicas=3)
    claim = make_claim(pool)
    bound = wait.until(claim, is_bound() & is_ready(), limit="claim_bind_warm")
    other = next(m for m in pool.members() if m.name != bound.sandbox_name)
    mark = wait.journal.position()

    claim.patch({"metadata": {"annotations": {ASSIGNED: other.name}}})

    wait.holds(claim, is_bound_to(bound.sandbox_name))
    wait.never(SANDBOX, is_named(other.name) & owned_by(claim.uid), since=mark, barrier=claim_barrier)


def assignment_beats_name(make_pool, make_claim, sandboxes, claim_barrier, wait):
    pool = make_pool(replicas=3)
    last = pool.members()[-1]
    sandboxes.sandbox("taken")

    claim = make_claim(pool, name="taken", annotations={ASSIGNED: last.name})

    wait.until(claim, is_bound_to(last.name), limit="claim_bind_warm")


def legacy_label_is_migrated(make_pool, make_claim, sandboxes, claim_barrier, wait):
    pool = make_pool(replicas=3)
    last = pool.members()[-1]

    claim = make_claim(pool, labels={ASSIGNED: last.name})

    wait.until(claim, is_bound_to(last.name), limit="claim_bind_warm")
    wait.until(claim, has_annotation(ASSIGNED, last.name) & lacks_label(ASSIGNED), limit="immediately")


def name_beats_queue(make_pool, make_claim, sandboxes, claim_barrier, wait):
    pool = make_pool(replicas=0)
    claim = make_claim(pool)
    wait.until(claim, is_bound_to(claim.name) & is_ready(), limit="claim_bind_cold")
    pool.patch({"spec": {"replicas": 1}})
    sandboxes.fill(pool, 1)

    claim.patch({"status": {"sandbox": None, "conditions": []}}, subresource="status")

    wait.until(claim, is_bound_to(claim.name) & is_ready(), limit="claim_bind_warm")
    assert len(pool.members()) == 1


@conformance(id="AS-C04", profile="CLAIMS", level="core", killers=["as/hide-foreign"])
def test_foreign_sandbox_of_that_name_blocks_the_claim(make_pool, make_claim, sandboxes, wait):
    """A Sandbox with the claim's name that belongs to nobody or another MUST block the claim."""
    pool = make_pool(replicas=1)
    foreign = sandboxes.sandbox("taken")

    claim = make_claim(pool, name="taken")
    wait.until(claim, is_not_ready("ReconcilerError", FOREIGN), limit="immediately")

    state = wait.holds(claim, is_not_ready("ReconcilerError", FOREIGN))
    assert state.sandbox_name == ""
    assert wait.current(foreign).owners == ()
    # It is not for want of stock.
    assert len(pool.members()) == 1


@conformance(id="AS-C07", profile="CLAIMS", level="core", killers=["as/dup-bind"])
def test_assignment_of_a_taken_sandbox_is_dropped(make_pool, make_claim, sandboxes, wait):
    """An assignment that names another claim's sandbox MUST be removed and a different one found."""
    pool = make_pool(replicas=2)
    first = make_claim(pool)
    taken = wait.until(first, is_bound() & is_ready(), limit="claim_bind_warm").sandbox_name

    second = make_claim(pool, annotations={ASSIGNED: taken})
    bound = wait.until(second, is_bound_to_other_than(taken), limit="claim_bind_warm")

    assert bound.assigned != taken
    assert [s.name for s in sandboxes.owned_by(first)] == [taken]
    assert [s.name for s in sandboxes.owned_by(second)] == [bound.sandbox_name]
    wait.holds(first, is_bound_to(taken))
