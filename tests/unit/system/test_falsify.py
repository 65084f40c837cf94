"""Generated cases and the search for a small one that fails, against simulated controllers."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
from hypothesis.strategies import SearchStrategy

from fixtures.errors import Undecided
from fixtures.falsify import Falsified, search
from fixtures.system.agent_sandbox.candidates import COUNTS, SKIPS, SPREADS, Member, Way, names, sequence
from fixtures.system.agent_sandbox.generated import Case, one_by_one, together

SEEDS = range(4)
IN_TURN, AT_ONCE = one_by_one(without_address=True), together()


def right(queue: Sequence[Member], claims: int) -> list[Member]:
    """The right controller."""
    return sequence(queue, claims)


def simulated(way: Way, tried: list[Case]) -> Callable[[Case], str]:
    """Complains as the conformance test does, about a controller that goes this way."""

    def complain(case: Case) -> str:
        tried.append(case)
        taken, wanted = names(way(case.queue, case.claims)), names(right(case.queue, case.claims))
        if case.together:
            taken, wanted = sorted(taken), sorted(wanted)
        return "" if taken == wanted else f"took {taken}"

    return complain


def run(
    cases: SearchStrategy[Case], way: Way, seed: int, tries: int = 14, shrinks: int = 20
) -> tuple[Falsified[Case] | None, list[Case]]:
    """What a search finds, and the cases it tried."""
    tried: list[Case] = []
    found, count = search(cases, simulated(way, tried), seed=seed, tries=tries, shrinks=shrinks)
    assert count == len(tried)
    return found, tried


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("cases", [IN_TURN, AT_ONCE], ids=["one-by-one", "together"])
def test_nothing_is_found_against_the_right_order(cases: SearchStrategy[Case], seed: int) -> None:
    """Against a right controller a search MUST find nothing, after as many different cases as it may try."""
    found, tried = run(cases, right, seed)

    assert found is None
    assert len({str(case) for case in tried}) == len(tried) == 14
    assert all(case.decides for case in tried)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", [*SPREADS, "readiness ignored", "passed members forgotten"])
def test_every_wrong_way_is_found_and_made_small(name: str, seed: int) -> None:
    """Against a wrong controller a search MUST find a small case within its tries."""
    found, tried = run(IN_TURN, {**SPREADS, **SKIPS}[name], seed)

    assert found is not None
    assert len(found.case.queue) <= 5
    assert len(tried) <= 14 + 20
    assert f"--seed {seed}" in str(found)
    assert str(found.case) in str(found)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", SPREADS)
def test_wrong_orders_are_found_with_claims_together(name: str, seed: int) -> None:
    """Against a wrong order any case with claims at the same time MUST fail, and a small one be found."""
    found, tried = run(AT_ONCE, SPREADS[name], seed)

    assert found is not None
    assert found.case.together
    assert len(found.case.queue) <= 5
    assert len(tried) <= 1 + 20


@pytest.mark.parametrize("name", COUNTS)
def test_wrong_counts_are_found_by_most_seeds(name: str) -> None:
    """What takes a rare queue to notice MUST be noticed by most runs."""
    found = [run(IN_TURN, COUNTS[name], seed)[0] for seed in SEEDS]

    assert sum(case is not None for case in found) > len(SEEDS) // 2


def test_the_same_seed_tries_the_same_cases() -> None:
    """A seed MUST say which cases are tried, and another one MUST lead to others."""
    assert run(IN_TURN, right, 1)[1] == run(IN_TURN, right, 1)[1]
    assert run(IN_TURN, right, 1)[1] != run(IN_TURN, right, 2)[1]


def test_tries_are_bounded_after_a_failure() -> None:
    """Once a case has failed, no more than `shrinks` further ones MUST be tried."""
    found, tried = run(IN_TURN, lambda queue, claims: [], 3, shrinks=2)

    assert found is not None
    assert len(tried) <= 3


def test_trouble_is_raised_and_not_shrunk() -> None:
    """What is no complaint about the case, such as a wait that failed, MUST end the search as it is."""
    tried: list[Case] = []

    def fail(case: Case) -> str:
        tried.append(case)
        raise TimeoutError("no pool")

    with pytest.raises(TimeoutError, match="no pool"):
        search(IN_TURN, fail, seed=1, tries=14, shrinks=20)
    assert len(tried) == 1


def test_too_few_cases_decide_nothing() -> None:
    """A search that finds hardly a case to try MUST NOT pass."""
    [only] = run(IN_TURN, right, 1, tries=1)[1]
    cases = IN_TURN.filter(lambda case: case == only)

    with pytest.raises(Undecided, match="different cases were found with --seed 1"):
        search(cases, lambda case: "", seed=1, tries=14, shrinks=1)


def test_members_without_address_occur_only_where_wanted() -> None:
    """Where members without an address mean something else, none MUST be generated."""
    bare = run(one_by_one(without_address=False), right, 5, tries=20)[1]
    mixed = run(IN_TURN, right, 5, tries=20)[1]

    assert all(member.addressed for case in bare for member in case.queue)
    assert not all(member.addressed for case in mixed for member in case.queue)
