"""Requirements, mutants and phases, written down by hand."""

from __future__ import annotations

from typing import Any

from fixtures.conformance.marker import Requirement
from fixtures.conformance.mutants import HITS, Killer, Mutant
from fixtures.conformance.results import Phase
from fixtures.proof.plan import NOTICES, Pair

#: What the test of the samples must fail on.
ASSERTION = "claim.bound == member"


def requirement(number: int = 1, *killers: str, **fields: Any) -> Requirement:
    """Requirement AS-C0<number>."""
    given = {
        "id": f"AS-C{number:02}",
        "nodeid": f"tests/e2e/test_a.py::test_{number}",
        "profile": "CLAIMS",
        "level": "core",
        "strength": "MUST",
        "description": "It MUST hold.",
        "features": (),
        "needs": (),
        "killers": killers,
    }
    return Requirement(**(given | fields))


def mutant(name: str, *killed_by: str, **fields: Any) -> Mutant:
    """A mutant that these tests must notice."""
    killers = tuple(Killer(test, ASSERTION) for test in killed_by)
    given = {"id": name, "title": name, "kind": "view", "breaks": killed_by, "spec": ({"rule": "null"},)}
    return Mutant(**(given | {"killed_by": killers} | fields))


def pair(expected: str = NOTICES, **fields: Any) -> Pair:
    """The pair of AS-C01 and as/lie."""
    given = {"test": "AS-C01", "mutant": "as/lie", "assertion": ASSERTION if expected == NOTICES else ""}
    return Pair(expected=expected, **(given | fields))


def phases(
    call: str = "failed",
    *,
    case: str = "",
    setup: str = "passed",
    teardown: str = "passed",
    statement: str = f"assert {ASSERTION}",
    text: str = "assert 'a' == 'b'",
    hits: int | None = 3,
    duration: float = 1.0,
    mutant: str = "as/lie",
    evidence: dict[str, Any] | None = None,
) -> list[Phase]:
    """The phases of one case; an empty outcome leaves a phase out."""
    nodeid = f"tests/e2e/test_a.py::test_1[{case + '-' if case else ''}{mutant}]"
    counted = {HITS: {"id": mutant, "hits": hits}} if hits is not None else {}
    found = []
    for when, outcome in (("setup", setup), ("call", call), ("teardown", teardown)):
        if outcome:
            error = {"type": "E", "firstLine": f"E: {text}", "text": text, "statement": statement}
            found.append(
                Phase(
                    id="AS-C01",
                    nodeid=nodeid,
                    when="???" if outcome == "crashed" else when,
                    outcome=outcome,
                    duration=0.0 if outcome == "crashed" else duration,
                    error=error if outcome != "passed" else None,
                    properties={"evidence": counted | (evidence or {})} if when != "setup" else {},
                )
            )
    return found
