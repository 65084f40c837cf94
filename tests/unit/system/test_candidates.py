"""The order of candidates, replayed: the contract's examples, and what must hold for every small queue."""

from __future__ import annotations

import pytest

from fixtures.system.agent_sandbox import candidates
from fixtures.system.agent_sandbox.candidates import (
    COUNTS,
    NO_ADDRESS,
    NOT_READY,
    RETURNS,
    SKIPS,
    SPREADS,
    TIES,
    UNPLACED,
    Commit,
    Member,
    Way,
    alike,
    alike_together,
    first_wrong_commit,
    names,
    one_claim,
    queue,
    queues,
    sequence,
    written,
)

EXAMPLE = queue("a1@n1 a2@n1 a3@n1 b1@n2 b2@n2 c1@n3")


def taken(text: str) -> str:
    """What claims take, until nothing is left to be taken."""
    return " ".join(names(sequence(queue(text), len(text.split()))))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a1@n1 a2@n1 a3@n1 b1@n2 b2@n2 c1@n3", "a1 a2 b1 a3 b2 c1"),
        ("b1@n2 a1@n1 a2@n1 b2@n2", "b1 a1 a2 b2"),
        ("a1@n1/not-ready a2@n1 b1@n2", "a2 b1 a1"),
        ("u1@n1/not-ready u2@n1/not-ready p1@n1/no-address r1@n1", "r1 u2 u1"),
        ("x1 x2 a1@n1", "a1 x1 x2"),
        ("x1 x2 x3", "x1 x2 x3"),
        ("a1@n1", "a1"),
        ("a1@n1/no-address", ""),
    ],
)
def test_the_examples_of_the_contract(text: str, expected: str) -> None:
    """The replay MUST give the sequences that the contract gives."""
    assert taken(text) == expected


def test_a_ready_member_leaves_the_skipped_ones_at_the_tail() -> None:
    """What was popped before the Ready one MUST follow the rest, the fallback last (contract 3.2)."""
    first = one_claim(queue("a1@n1/not-ready a2@n1 b1@n2"))
    second = one_claim(queue("u1@n1/not-ready u2@n1/not-ready p1@n1/no-address r1@n1"))

    assert (first.taken, written(first.left)) == (Member("a2", "n1"), "b1@n2 a1@n1/not-ready")
    assert (second.taken, names(second.left)) == (Member("r1", "n1"), ["u2", "p1", "u1"])


def test_a_fallback_is_taken_at_once_though_others_have_no_address() -> None:
    """Members without an address MUST be counted as pending, and stay queued."""
    outcome = one_claim(queue("p1@n1/no-address u1@n1/not-ready p2@n1/no-address"))

    assert outcome.taken == Member("u1", "n1", ready=False)
    assert (names(outcome.left), outcome.pending) == (["p1", "p2"], 2)


def test_without_addresses_nothing_is_taken() -> None:
    """A claim MUST wait where members may still get an address, and start cold where there are none."""
    waits, cold = one_claim(queue("p1@n1/no-address")), one_claim(())

    assert (waits.taken, names(waits.left), waits.pending) == (None, ["p1"], 1)
    assert (cold.taken, cold.left, cold.pending) == (None, (), 0)


@pytest.mark.parametrize(
    ("way", "expected"),
    [
        ("first in, first out", "a1 a2 a3 b1 b2 c1"),
        ("round robin", "a1 b1 c1 a2 b2 a3"),
        ("fewest first", "c1 b1 b2 a1 a2 a3"),
    ],
)
def test_the_wrong_orders_of_the_contract(way: str, expected: str) -> None:
    """The wrong orders MUST give the wrong sequences that the contract gives."""
    assert " ".join(names(SPREADS[way](EXAMPLE, 6))) == expected


@pytest.mark.parametrize(
    ("text", "ways"),
    [
        (written(EXAMPLE), SPREADS),
        ("b1@n2 c1@n3 a1@n1 a2@n1 b2@n2", SPREADS | TIES),
        ("x1 b1@n2 a1@n1 a2@n1 x2", SPREADS | UNPLACED),
        ("a1@n1 b1@n2 c1@n3/not-ready c2@n3", SPREADS | COUNTS),
        ("a1@n1 b1@n2 b2@n2", SPREADS),
        ("a1@n1/not-ready a2@n1", SKIPS),
        ("u1@n1/not-ready u2@n1/not-ready p1@n1/no-address r1@n1", RETURNS),
    ],
)
def test_queues_that_decide(text: str, ways: dict[str, Way]) -> None:
    """The queues that conformance tests use MUST tell the right order from each wrong one."""
    members = queue(text)

    assert alike(members, len(members), ways) == []


def test_even_nodes_and_single_nodes_decide_nothing() -> None:
    """Where nodes are even, or there is one, orders that ignore them MUST be named as looking the same."""
    assert alike(queue("a1@n1 b1@n2"), 2) == sorted(SPREADS)
    assert alike(queue("a1@n1 a2@n1"), 2) == sorted(SPREADS)
    # The contract's own example of a tie does not tell it from a queue without nodes.
    assert alike(queue("b1@n2 a1@n1 a2@n1 b2@n2"), 4) == ["first in, first out", "round robin"]


def test_claims_together_are_told_apart_by_what_they_take() -> None:
    """For claims that come together only the set MUST count; all members are every order's set."""
    assert alike_together(EXAMPLE, 3) == []
    assert alike_together(EXAMPLE, 4) == ["first in, first out"]
    assert alike_together(EXAMPLE, 6) == sorted(SPREADS)


def commits(*found: tuple[str, int]) -> list[Commit]:
    """Commits as (member, claims created by then)."""
    return [Commit(member, created) for member, created in found]


@pytest.mark.parametrize(
    "found",
    [
        [("a1", 1), ("a2", 2), ("b1", 3)],
        [("b1", 3), ("a2", 3), ("a1", 3)],
        [("a2", 2), ("a1", 3), ("b1", 3)],
    ],
)
def test_commits_may_overtake_each_other(found: list[tuple[str, int]]) -> None:
    """Claims that are under way MUST be free to commit in any order what they popped in the right one."""
    assert first_wrong_commit(EXAMPLE, commits(*found)) is None


@pytest.mark.parametrize(
    ("found", "complaint"),
    [
        (
            [("a1", 3), ("a2", 3), ("a3", 3)],
            "commit 3 is of a3; after a1 a2, with 3 claims created, it may be of b1 only",
        ),
        ([("a2", 1)], "commit 1 is of a2; after none, with 1 claims created, it may be of a1 only"),
        (
            [("a1", 3), ("a1", 3)],
            "commit 2 is of a1; after a1, with 3 claims created, it may be of a2 or b1 only",
        ),
        ([("cold", 2)], "commit 1 is of cold; after none, with 2 claims created, it may be of a1 or a2 only"),
    ],
)
def test_commits_that_no_order_of_pops_explains(found: list[tuple[str, int]], complaint: str) -> None:
    """A commit beyond what may have been popped, or a repeated one, MUST be named with what was allowed."""
    assert first_wrong_commit(EXAMPLE, commits(*found)) == complaint


def test_commits_are_judged_for_ready_members_only() -> None:
    """With members that are not Ready the order of pops is open: that MUST be refused, not judged."""
    with pytest.raises(ValueError, match="not determined"):
        first_wrong_commit(queue("a1@n1/not-ready"), [])


SMALL = [q for q in queues(2, 4, ("", NOT_READY, NO_ADDRESS))]


def test_every_member_with_an_address_is_taken_once() -> None:
    """Claims, one after the other, MUST take every member that can be taken, once, the Ready ones first."""
    for members in SMALL:
        found = sequence(members, len(members) + 1)
        assert sorted(names(found)) == sorted(m.name for m in members if m.addressed), written(members)
        ready = [m.ready for m in found]
        assert ready == sorted(ready, reverse=True), written(members)


def test_nothing_is_lost() -> None:
    """What a claim does not take MUST stay queued, whatever the state of the members."""
    for members in SMALL:
        outcome = one_claim(members)
        rest = {*members} - {outcome.taken}
        assert {*outcome.left} == rest, written(members)
        assert len(outcome.left) == len(rest), written(members)


def test_each_ready_pick_is_from_a_fullest_node() -> None:
    """With all members Ready each pick MUST be the first of all those on nodes with the highest count."""
    for members in queues(3, 5, ("",)):
        left = list(members)
        for pick in sequence(members, len(members)):
            counts = {m.node: sum(n.node == m.node for n in left) for m in left}
            assert pick == next(m for m in left if counts[m.node] == max(counts.values())), written(members)
            left.remove(pick)


def test_refills_that_nobody_places_change_nothing() -> None:
    """Members on no node and without an address, at the tail, MUST NOT change what claims take."""
    refills = queue("r1/no-address r2/no-address")
    for members in SMALL:
        count = len(members)
        assert sequence((*members, *refills), count) == sequence(members, count), written(members)


@pytest.mark.parametrize("text", ["a1@n1 b1/not-ready c1@n2/no-address", "a1", ""])
def test_queues_are_written_as_they_are_read(text: str) -> None:
    """Reading and writing MUST be each other's inverse, so that a message can be tried again."""
    assert written(queue(text)) == text


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("a1@n1/unready", "'unready' is neither not-ready nor no-address"),
        ("a1 a1@n1", "a name is there twice"),
    ],
)
def test_misspelt_queues_are_refused(text: str, complaint: str) -> None:
    """A queue that cannot be meant MUST be refused."""
    with pytest.raises(ValueError, match=complaint):
        queue(text)


def test_a_ready_member_has_an_address() -> None:
    """A member that cannot exist MUST be refused."""
    with pytest.raises(ValueError, match="cannot be Ready without an address"):
        Member("a1", addressed=False)


def test_every_wrong_way_can_be_told() -> None:
    """A wrong way that no queue tells from the right one would prove nothing: each MUST differ somewhere."""
    for text, way in {**SPREADS, **COUNTS, **TIES, **SKIPS, **RETURNS}.items():
        assert any(way(q, len(q)) != sequence(q, len(q)) for q in SMALL), text
    assert candidates.UNPLACED["members on no node come first"](queue("a1@n1 x1"), 1) == [Member("x1")]
