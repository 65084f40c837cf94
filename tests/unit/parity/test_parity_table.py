"""Two substrates side by side: what counts as the same."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from fixtures.conformance.outcomes import Outcome
from fixtures.conformance.results import Phase
from fixtures.parity.table import lines, rows

TITLES = {"BG-SUB-6": "DeleteActor MUST be refused.", "BG-SUB-10": "An actor MUST be suspended."}


def phases(
    requirement: str, *observed: str, call: str = "passed", case: str = "", setup: str = "passed"
) -> Sequence[Phase]:
    """The phases of one case, with what it noted."""
    nodeid = f"t.py::test_{requirement}{f'[{case}]' if case else ''}"
    error = {"type": "AssertionError", "firstLine": "no", "text": "no"} if call == "failed" else None
    noted = {"evidence": {"observed": list(observed)}}
    return [
        Phase(requirement, nodeid, "setup", setup),
        Phase(requirement, nodeid, "call", call, error=error, properties=noted),
        Phase(requirement, nodeid, "teardown", "passed"),
    ]


def test_the_same_is_the_same() -> None:
    """Equal outcomes and equal observations MUST make no difference."""
    [row] = rows(phases("BG-SUB-6", "delete: OK"), phases("BG-SUB-6", "delete: OK"))

    assert (row.same, row.differences(), row.outcomes) == (True, [], (Outcome.PASSED, Outcome.PASSED))


@pytest.mark.parametrize(
    ("reference", "real", "difference"),
    [
        (
            phases("BG-SUB-6", "delete: OK"),
            phases("BG-SUB-6", "delete: NOT_FOUND gone"),
            "the reference: delete: OK; the real one: delete: NOT_FOUND gone",
        ),
        (
            phases("BG-SUB-6"),
            phases("BG-SUB-6", "delete: OK"),
            "the reference: nothing more; the real one: delete: OK",
        ),
        (
            phases("BG-SUB-6", call="failed"),
            phases("BG-SUB-6"),
            "FAILED on the reference, PASSED on the real one",
        ),
        (phases("BG-SUB-6"), [], "PASSED on the reference, SKIPPED on the real one"),
    ],
    ids=["another-answer", "less-said", "another-outcome", "did-not-run"],
)
def test_what_differs_is_told(reference: Sequence[Phase], real: Sequence[Phase], difference: str) -> None:
    """A test that passes on both MUST still be told where the substrates said different things."""
    [row] = rows(reference, real)

    assert not row.same
    assert row.differences() == [difference]


def test_the_table_has_one_line_per_requirement_in_order() -> None:
    """Cases MUST be judged together, and requirements be sorted by number."""
    reference = [*phases("BG-SUB-10"), *phases("BG-SUB-6", case="a"), *phases("BG-SUB-6", "x: OK", case="b")]
    real = [*phases("BG-SUB-10"), *phases("BG-SUB-6", case="a"), *phases("BG-SUB-6", "x: NO", case="b")]

    assert lines(rows(reference, real), TITLES) == [
        "| requirement | statement | reference | real | same |",
        "|---|---|---|---|---|",
        "| BG-SUB-6 | DeleteActor MUST be refused. | PASSED | PASSED | NO |",
        "| BG-SUB-10 | An actor MUST be suspended. | PASSED | PASSED | yes |",
        "",
        "- BG-SUB-6 (b): the reference: x: OK; the real one: x: NO",
    ]
