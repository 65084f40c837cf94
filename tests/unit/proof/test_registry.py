"""The registry of mutants and the choice of cells: what is wrong with them is said in words."""

from __future__ import annotations

import datetime
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from fixtures.conformance import mutants
from fixtures.conformance.cells import Cells
from fixtures.errors import UsageError
from fixtures.sabotage.faults import RULES as FAULTS
from fixtures.sabotage.rule import make
from fixtures.system.agent_sandbox.mutants import RULES
from tests.unit.proof.samples import mutant, requirement

ROOT = Path(__file__).parents[3]
TODAY = datetime.date(2030, 1, 1)
ENTRY = {
    "id": "as/lie",
    "title": "a lie",
    "kind": "view",
    "breaks": ["AS-C01"],
    "spec": [{"rule": "cold-bad", "part": "name"}],
    "killed_by": [{"test": "AS-C01", "assertion": "a == b", "case": "warm"}],
}


def load(tmp_path: Path, content: Any) -> dict[str, mutants.Mutant]:
    """Read a registry with this content."""
    file = tmp_path / "mutants.yaml"
    file.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
    return mutants.load(file)


def test_an_entry_is_read(tmp_path: Path) -> None:
    """Every field MUST be read; what is not there has its default."""
    (found,) = load(tmp_path, [ENTRY]).values()

    assert found.killed_by == (mutants.Killer("AS-C01", "a == b", "warm"),)
    assert found.rules == [("cold-bad", {"part": "name"})]
    assert (found.rung, found.universal, found.fatal, found.must_survive) == (1, False, False, ())
    assert mutants.load(tmp_path / "none.yaml") == {}


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("a: [", "while parsing"),
        ({"as/lie": ENTRY}, "it takes a list of mutants, not dict"),
        (["as/lie"], "'as/lie': a mutant is a mapping of fields"),
        ([ENTRY, ENTRY], "as/lie is there twice"),
        ([ENTRY | {"breakes": []}], "as/lie: unknown field 'breakes'; did you mean 'breaks'"),
        ([{"title": "a lie"}], "an entry without id: it lacks id, kind, spec"),
        ([ENTRY | {"id": "lie"}], "lie: an id begins with as/, bg/, ss/"),
        ([ENTRY | {"kind": "vew"}], "as/lie: unknown kind 'vew'; did you mean 'view'"),
        ([ENTRY | {"breaks": "AS-C01"}], "as/lie: breaks takes a list, not 'AS-C01'"),
        ([ENTRY | {"spec": [{"flag": "off"}]}], "as/lie: spec takes a list of {rule: NAME"),
        ([ENTRY | {"spec": [{"rule": "x", "crds": "loose"}]}], "as/lie: spec takes a list of {rule: NAME"),
        (
            [ENTRY | {"killed_by": [{"test": "AS-C01"}]}],
            "as/lie: killed_by takes a list of {test, assertion}",
        ),
        (
            [ENTRY | {"killed_by": [{"test": "AS-C01", "assertion": "x", "cases": "y"}]}],
            "unknown field of killed_by 'cases'; did you mean 'case'",
        ),
        ([ENTRY | {"killed_by": ENTRY["killed_by"] * 2}], "as/lie: killed_by names a test twice"),
    ],
)
def test_a_wrong_registry_is_refused(tmp_path: Path, content: Any, complaint: str) -> None:
    """A registry that cannot be meant MUST be refused, naming the file and the entry."""
    with pytest.raises(UsageError, match="mutants.yaml: ") as raised:
        load(tmp_path, content)

    assert complaint in str(raised.value)


class TestDisagreements:
    """Registry and markers."""

    def test_agreement(self) -> None:
        """Where both sides say the same, nothing MUST be complained about."""
        known = {"as/lie": mutant("as/lie", "AS-C01")}

        assert mutants.disagreements(known, [requirement(1, "as/lie")], TODAY) == []

    @pytest.mark.parametrize(
        ("fields", "killers", "complaint"),
        [
            ({}, [], "AS-C01 names no killer: nobody has shown that its test can fail"),
            ({}, ["as/lies"], "AS-C01: unknown mutant 'as/lies'; did you mean 'as/lie'?"),
            ({"killed_by": ()}, ["as/lie"], "as/lie does not list AS-C01 in killed_by"),
            (
                {"killed_by": (mutants.Killer("AS-C09", "x"),)},
                ["as/lie"],
                "as/lie: unknown requirement 'AS-C09'",
            ),
            ({"killed_by": ()}, [], "as/lie has no killer and is not declared equivalent"),
            ({"must_survive": ("AS-C9",)}, ["as/lie"], "as/lie: must_survive: unknown requirement 'AS-C9'"),
            ({"must_survive": ("AS-C01",)}, ["as/lie"], "as/lie must be noticed by AS-C01, and must not be"),
        ],
    )
    def test_what_only_one_side_says_is_named(
        self, fields: dict[str, Any], killers: list[str], complaint: str
    ) -> None:
        """A killer that only one side names, an unknown name, and a test without killer MUST be named."""
        known = {"as/lie": mutant("as/lie", "AS-C01", **fields)}

        found = mutants.disagreements(known, [requirement(1, *killers)], TODAY)

        assert any(text.startswith(complaint) for text in found)

    def test_a_may_needs_no_killer(self) -> None:
        """What a controller may do or leave cannot be broken."""
        assert mutants.disagreements({}, [requirement(1, strength="MAY")], TODAY) == []

    @pytest.mark.parametrize(
        ("equivalent", "complaint"),
        [
            ({"reason": "r", "issue": "i", "until": "2030-01-01"}, None),
            ({"reason": "r", "issue": "i", "until": datetime.date(2030, 1, 1)}, None),
            ({"reason": "r", "issue": "i", "until": "2029-12-31"}, "equivalent until 2029-12-31 has passed"),
            ({"reason": "r", "issue": "i", "until": "soon"}, "equivalent until 'soon', which is no date"),
            ({"reason": "r"}, "equivalent needs issue, until"),
        ],
    )
    def test_an_excuse_has_an_end(self, equivalent: dict[str, Any], complaint: str | None) -> None:
        """A mutant that nobody can notice MUST have a reason, an issue, and a date that has not passed."""
        found = mutants.disagreements({"as/lie": mutant("as/lie", equivalent=equivalent)}, [], TODAY)

        assert [text.removeprefix("as/lie: ")[: len(complaint or "")] for text in found] == (
            [complaint] if complaint else []
        )


KNOWN = {name: mutant(name) for name in ("as/lie", "as/null")}


class TestCells:
    """--mutant and --cells."""

    def test_an_ordinary_run_has_none(self) -> None:
        """Without both options there MUST be no cells."""
        assert Cells.read(None, None, {}) is None

    def test_both_together(self, tmp_path: Path) -> None:
        """A test MUST meet the mutant for everyone and its own, each once."""
        file = tmp_path / "cells.json"
        file.write_text(json.dumps({"AS-C01": {"as/lie": "warm", "as/null": "warm"}}))

        found = Cells.read("as/null", file, KNOWN)

        assert found is not None
        assert found.of("AS-C01") == ("as/null", "as/lie")
        assert found.of("AS-C02") == ("as/null",)
        assert found.ids == {"AS-C01"}
        assert [found.case("AS-C01", name) for name in ("as/lie", "as/null")] == ["warm", ""]

    @pytest.mark.parametrize(
        ("content", "complaint"),
        [
            ("{", "Expecting property name"),
            ("[]", "it takes {requirement id: {mutant id: case}}"),
            ('{"AS-C01": "as/lie"}', "it takes {requirement id: {mutant id: case}}"),
            ('{"AS-C01": {"as/lies": ""}}', "unknown mutant 'as/lies' in --cells"),
        ],
    )
    def test_a_wrong_file_is_refused(self, tmp_path: Path, content: str, complaint: str) -> None:
        """A file that cannot be meant MUST be refused in words."""
        file = tmp_path / "cells.json"
        file.write_text(content)

        with pytest.raises(UsageError) as raised:
            Cells.read(None, file, KNOWN)

        assert complaint in str(raised.value)

    def test_an_unknown_mutant_is_refused_with_the_nearest(self) -> None:
        """A mutant that nobody knows MUST be refused, with what was probably meant."""
        with pytest.raises(UsageError, match="unknown mutant 'as/nul' in --mutant; did you mean 'as/null'?"):
            Cells.read("as/nul", None, KNOWN)


REGISTRY = mutants.load(ROOT / mutants.REGISTRY)


@pytest.mark.parametrize("name", sorted(REGISTRY))
def test_every_mutant_can_be_made(name: str) -> None:
    """Each entry's rules MUST exist and take their parameters."""
    for rule, parameters in REGISTRY[name].rules:
        make(FAULTS | RULES, rule, "asc-unit", parameters)


def test_every_mutant_rule_is_somebodys() -> None:
    """A rule that no mutant is made of is not used, or its mutant was forgotten."""
    used = {rule for entry in REGISTRY.values() for rule, _ in entry.rules}

    assert set(RULES) - used == set()
