"""The figures of fault runs: what is counted, and what is not."""

from __future__ import annotations

import pytest

from fixtures import faultrun
from fixtures.conformance.results import Phase
from fixtures.faultrun import Figures


def phase(when: str, outcome: str, **evidence: object) -> Phase:
    """One report of a fault test."""
    error = None if outcome == "passed" else {"firstLine": "it broke"}
    return Phase(
        "AS-I7", "tests/e2e/x.py::test_x[a]", when, outcome, error=error, properties={"evidence": evidence}
    )


def test_calls_are_counted_and_the_seed_is_not() -> None:
    """Figures MUST add up what each call did; the seed is no figure, nor is what set-up repeats."""
    work = {"claim": 3, "expiring_claim": 1, "resize": 2, "seed": 77}
    found = Figures.of(
        [
            phase("setup", "passed", faults={"refuse pods": 9}),
            phase("call", "passed", faults={"refuse pods": 2}, workload=work, violations={"AS-I2": 1}),
            phase("call", "passed", faults={"refuse pods": 1}, workload=work),
            phase("teardown", "passed", workload=work),
        ]
    )

    assert found.line() == "2 passed; 3 faults, 8 claims, 4 other requests; violations: 1 AS-I2"
    assert found.failed == []


def test_what_failed_is_named() -> None:
    """A case that did not pass MUST be named with phase and reason, also if only its teardown failed."""
    found = Figures()
    found.add(Figures.of([phase("call", "passed"), phase("teardown", "failed")]))
    found.add(Figures.of([phase("call", "undecided")]))

    assert found.failed == ["test_x[a] (teardown): it broke", "test_x[a] (call): it broke"]
    assert dict(found.outcomes) == {"passed": 1, "failed": 1, "undecided": 1}


def test_no_seeds_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """A number of seeds that runs nothing MUST end with exit code 4."""
    assert faultrun.main(["--seeds", "0"]) == 4
    assert "from 1 on, not 0" in capsys.readouterr().out
