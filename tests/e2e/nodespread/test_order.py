"""Which member of a pool a claim takes."""

from __future__ import annotations

import pytest

from fixtures.conformance import conformance, uses
from fixtures.nodespread import HOLD_REFILL
from fixtures.system.agent_sandbox import candidates

NEEDS = ["sut-restart", "pod-status-control"]


@conformance(
    id="AS-Q04",
    profile="WARMPOOL",
    level="extended",
    features=["SandboxWarmPoolNodeSpread"],
    needs=NEEDS,
    killers=["as/hide-node", "as/node-lie", "as/fewest-first", "as/round-robin"],
)
@pytest.mark.parametrize(
    ("queue", "taken", "more_wrong_ways"),
    [
        pytest.param("a1@n1 a2@n1 a3@n1 b1@n2 b2@n2 c1@n3", "a1 a2 b1 a3 b2 c1", {}, id="worked-example"),
        pytest.param("b1@n2 c1@n3 a1@n1 a2@n1 b2@n2", "b1 a1 c1 a2 b2", candidates.TIES, id="ties"),
        # Not what a kubelet would report: a member on no node with an address, and Ready.
        pytest.param(
            "x1 b1@n2 a1@n1 a2@n1 x2", "a1 b1 a2 x1 x2", candidates.UNPLACED, id="members-on-no-node"
        ),
    ],
)
def test_fullest_node_first(make_queue, queue, taken, more_wrong_ways):
    """A claim MUST take from the node with the most queued members, on a tie the first in the queue."""
    pool = make_queue(queue)

    found = pool.claim_one_by_one(len(pool.start), apart_from=candidates.SPREADS | more_wrong_ways)

    assert found == taken


@conformance(
    id="AS-Q04b",
    profile="WARMPOOL",
    level="extended",
    features=["SandboxWarmPoolNodeSpread"],
    needs=NEEDS,
    killers=["as/hide-node", "as/fewest-first"],
)
def test_claims_at_the_same_time_take_in_order(make_queue):
    """Claims that come together MUST take the members that are first in order, whichever claim gets which."""
    pool = make_queue("a1@n1 a2@n1 a3@n1 b1@n2 b2@n2 c1@n3")

    commits = pool.claim_together(3)

    # The first three in the right order, whichever claim gets which and whichever commits first.
    assert " ".join(sorted(commit.member for commit in commits)) == "a1 a2 b1"
    # A claim that does not exist yet has taken nothing: the first commits are of the first members.
    assert candidates.first_wrong_commit(pool.start, commits) is None


@conformance(
    id="AS-Q05",
    profile="WARMPOOL",
    level="extended",
    features=["SandboxWarmPoolNodeSpread", "SandboxWarmPoolReplenishDelay"],
    needs=NEEDS,
    killers=["as/hide-unready-node"],
)
@uses("sut:exclusive")
def test_members_count_until_they_are_popped(controller, make_queue):
    """A node's count MUST include members that are not Ready, and MUST NOT include those popped already."""
    controller.start(HOLD_REFILL)
    pool = make_queue("a1@n1 b1@n2 c1@n3/not-ready c2@n3")

    taken = pool.claim_one_by_one(4, apart_from=candidates.SPREADS | candidates.COUNTS)

    # c1 makes its node the fullest, so it is popped first, kept as a last resort, and counts no more: now
    # all nodes are even. Back at the tail it counts again.
    assert taken == "a1 c2 b1 c1"
