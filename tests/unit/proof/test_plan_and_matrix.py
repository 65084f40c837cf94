"""Which pairs are run, and what follows from all cells."""

from __future__ import annotations

import dataclasses
import json

import pytest

from fixtures.conformance.mutants import Mutant
from fixtures.errors import UsageError
from fixtures.proof import matrix, plan
from fixtures.proof.judge import Cell, Status
from fixtures.proof.plan import NOTICES, OPEN, SURVIVES
from tests.unit.proof.samples import mutant, requirement

MUTANTS = {
    m.id: m
    for m in (
        mutant("as/lie", "AS-C01"),
        mutant("as/other", "AS-C02", must_survive=("AS-C01",)),
        mutant("as/null", universal=True, fatal=True, must_survive=("AS-C03",)),
        mutant("as/same", equivalent={"reason": "r", "issue": "i", "until": "2999-01-01"}),
    )
}
REQUIREMENTS = [requirement(1, "as/lie"), requirement(2, "as/other"), requirement(3, strength="MAY")]


def cell(test: str, name: str, expected: str, status: Status) -> Cell:
    """One cell."""
    return Cell(test, name, status, expected, "evidence", 1, 1.0)


#: The cells of a proof that holds.
CLEAN = [
    cell("AS-C01", "as/lie", NOTICES, Status.KILLED),
    cell("AS-C01", "as/other", SURVIVES, Status.SURVIVED),
    cell("AS-C02", "as/other", NOTICES, Status.KILLED),
    cell("AS-C01", "as/null", OPEN, Status.KILLED),
    cell("AS-C02", "as/null", OPEN, Status.KILLED),
    cell("AS-C03", "as/null", SURVIVES, Status.NOT_FIRED),
]


def failures(cells: list[Cell], mutants: dict[str, Mutant] = MUTANTS) -> list[str]:
    """What is wrong with cells of a complete run."""
    return matrix.failures(
        cells,
        REQUIREMENTS,
        mutants,
        planned_tests={c.test for c in cells},
        planned_mutants={c.mutant for c in cells},
    )


class TestPlan:
    """The pairs."""

    def test_declared_pairs_alone(self) -> None:
        """Without more, exactly what the registry declares MUST be run."""
        found = plan.pairs(MUTANTS, REQUIREMENTS, universal=False, everything=False)

        assert [(p.test, p.mutant, p.expected) for p in found] == [
            ("AS-C01", "as/lie", NOTICES),
            ("AS-C01", "as/other", SURVIVES),
            ("AS-C02", "as/other", NOTICES),
            ("AS-C03", "as/null", SURVIVES),
        ]

    @pytest.mark.parametrize(("everything", "count"), [(False, 6), (True, 12)])
    def test_universal_and_all(self, everything: bool, count: int) -> None:
        """Universal mutants MUST meet every test, and with `everything` every mutant; declared ends stay."""
        found = plan.pairs(MUTANTS, REQUIREMENTS, universal=True, everything=everything)

        assert len(found) == len({(p.test, p.mutant) for p in found}) == count
        assert sum(p.expected != OPEN for p in found) == 4

    @pytest.mark.parametrize("everything", [False, True])
    def test_a_mutant_meets_tests_of_its_own_system(self, everything: bool) -> None:
        """A wrong agent-sandbox controller MUST NOT be tried on tests of rollouts: nobody could notice it."""
        others = [
            requirement(4, profile="ROLLOUT", id="BG-C04"),
            requirement(5, profile="SNAPSTART", id="SS-A1"),
        ]
        found = plan.pairs(MUTANTS, [*REQUIREMENTS, *others], universal=True, everything=everything)

        assert {p.test for p in found} == {"AS-C01", "AS-C02", "AS-C03"}

    def test_some_tests_and_some_mutants(self) -> None:
        """`ids` and `mutants` MUST narrow the plan together."""
        found = plan.pairs(MUTANTS, REQUIREMENTS, universal=True, everything=False)

        assert {p.mutant for p in plan.chosen(found, ids=["AS-C02"])} == {"as/other", "as/null"}
        assert {p.test for p in plan.chosen(found, mutants=["as/lie"])} == {"AS-C01"}
        assert plan.chosen(found, ids=["AS-C02"], mutants=["as/lie"]) == []

    @pytest.mark.parametrize("parts", [1, 2, 3, 5])
    def test_shares_are_the_whole_and_split_no_test(self, parts: int) -> None:
        """The shares MUST be everything together, each pair once, and all pairs of a test in one."""
        found = plan.pairs(MUTANTS, REQUIREMENTS, universal=True, everything=True)
        shares = [plan.chosen(found, share=f"{part}/{parts}") for part in range(1, parts + 1)]

        assert sorted(pair for share in shares for pair in share) == found
        tests = [{p.test for p in share} for share in shares]
        assert sum(len(share) for share in tests) == len(REQUIREMENTS)

    @pytest.mark.parametrize("share", ["0/2", "3/2", "1", "", "a/b", "-1/2"])
    def test_a_share_that_cannot_be_is_refused(self, share: str) -> None:
        """A share MUST be K/N with 1 <= K <= N."""
        with pytest.raises(UsageError, match="--share takes K/N"):
            plan.chosen([], share=share)

    def test_cells_are_what_pytest_takes(self) -> None:
        """Each test MUST come with its mutants."""
        found = plan.pairs(MUTANTS, REQUIREMENTS, universal=False, everything=False)

        assert plan.cells(found)["AS-C01"] == {"as/lie": "", "as/other": ""}


class TestMatrix:
    """What follows."""

    def test_a_clean_matrix_has_no_failures(self) -> None:
        """A proof that holds MUST be said to hold."""
        assert failures(CLEAN) == []

    @pytest.mark.parametrize("number", [0, 1, 2])
    @pytest.mark.parametrize("status", Status)
    def test_a_doctored_matrix_is_noticed(self, number: int, status: Status) -> None:
        """Whichever declared cell ends otherwise, and however: the proof MUST NOT hold."""
        honest = CLEAN[number]
        doctored = [*CLEAN[:number], dataclasses.replace(honest, status=status), *CLEAN[number + 1 :]]

        fine = {NOTICES: {Status.KILLED}, SURVIVES: {Status.SURVIVED, Status.NOT_FIRED}}[honest.expected]
        assert (failures(doctored) == []) == (status in fine)

    @pytest.mark.parametrize("status", Status)
    def test_only_killed_shows_that_a_test_can_fail(self, status: Status) -> None:
        """A test without a KILLED cell, and a mutant without one, MUST be named, whatever else there is."""
        cells = [cell("AS-C01", "as/null", OPEN, status)]

        found = failures(cells, MUTANTS)

        assert any("AS-C01 is killed by no mutant" in text for text in found) == (status is not Status.KILLED)
        assert any("as/null is noticed by no test" in text for text in found) == (status is not Status.KILLED)

    @pytest.mark.parametrize("status", [Status.SURVIVED, Status.NOT_FIRED])
    def test_no_test_passes_without_a_controller(self, status: Status) -> None:
        """A fatal mutant that a test survives undeclared MUST make the proof fail."""
        survived = [*CLEAN[:4], dataclasses.replace(CLEAN[4], status=status), CLEAN[5]]

        (problem,) = failures(survived)

        assert problem.startswith(f"AS-C02 × as/null: {status}, with a mutant that no test may pass with")

    def test_what_is_advisory_or_excused_needs_no_kill(self) -> None:
        """A MAY and an equivalent mutant MUST NOT make the proof fail."""
        cells = [*CLEAN, cell("AS-C03", "as/same", OPEN, Status.SURVIVED)]

        assert failures(cells) == []

    def test_the_document_says_what_was_found(self) -> None:
        """The document MUST hold every cell with its evidence, the counts, and whether the proof holds."""
        document = json.loads(matrix.to_json(CLEAN, ["a problem"], {"seed": 1}))

        assert (document["holds"], document["problems"]) == (False, ["a problem"])
        assert document["counts"] == {"KILLED": 4, "NOT_FIRED": 1, "SURVIVED": 1}
        assert document["cells"][0] == {
            "test": "AS-C01",
            "mutant": "as/lie",
            "status": "KILLED",
            "expected": "notices",
            "evidence": "evidence",
            "hits": 1,
            "duration": 1.0,
            "rung": 1,
        }

    def test_the_table_has_a_line_per_test(self) -> None:
        """A person MUST see each test with its mutants, and the counts."""
        lines = matrix.table(CLEAN)

        assert lines[1] == "AS-C02   as/null:KILLED  as/other:KILLED"
        assert lines[-1] == "4 KILLED, 1 NOT_FIRED, 1 SURVIVED"
