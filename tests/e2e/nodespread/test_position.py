"""Where a member stands in the queue."""

from __future__ import annotations

from fixtures.conformance import conformance
from fixtures.errors import Undecided

NEEDS = ["sut-restart", "pod-status-control"]


@conformance(
    id="AS-Q02",
    profile="WARMPOOL",
    level="extended",
    features=["SandboxWarmPoolNodeSpread"],
    needs=NEEDS,
    killers=["as/hide-node", "as/requeue-placed"],
)
def test_member_keeps_its_place_when_its_node_becomes_known(make_queue):
    """A member whose node becomes known MUST count for that node and MUST keep its place in the queue."""
    pool = make_queue("a1@n1 b1@n2 b2@n2", placed=["b2", "b1", "a1"])

    taken = pool.claim_one_by_one(3)

    # With places in the order of placing it would be b2 b1 a1, with nodes unknown a1 b1 b2.
    assert taken == "b1 a1 b2"


@conformance(
    id="AS-Q03",
    profile="WARMPOOL",
    level="extended",
    features=["SandboxWarmPoolNodeSpread"],
    needs=NEEDS,
    killers=["as/order-lie"],
)
def test_members_stand_in_the_order_of_their_creation(make_queue):
    """Members of one node MUST be taken in the order in which the API server stored their creation."""
    # Created within a second or two: by their timestamps most of them are of the same age.
    pool = make_queue("m1@n1 m2@n1 m3@n1 m4@n1 m5@n1 m6@n1", placed=["m6", "m5", "m4", "m3", "m2", "m1"])
    sandboxes = list(pool.labels)
    if sandboxes == sorted(sandboxes):
        raise Undecided("the members' names sort in the order of their creation")

    # One node: how nodes are chosen does not matter here.
    taken = pool.claim_one_by_one(6, apart_from={})

    assert taken == "m1 m2 m3 m4 m5 m6"
