"""What the run on the right controller must show, and what it tells of how long a test may take."""

from __future__ import annotations

import pytest

from fixtures.conformance.results import Phase, Results
from fixtures.limits import LIMITS
from fixtures.proof.__main__ import PATIENCE, _deadlines, _not_green
from tests.unit.proof.samples import requirement

#: The longest wait of a test: no limit of the cluster's own counts.
LONGEST = 70.0


def baseline(*calls: str, strength: str = "MUST", problems: tuple[str, ...] = ()) -> Results:
    """The record of AS-C01 with one case for each outcome of a call, and a duration of 2, 3, ... seconds."""
    phases = [
        Phase("AS-C01", f"test_a[{n}]", when, call if when == "call" else "passed", 2.0 + n)
        for n, call in enumerate(calls)
        for when in ("setup", "call", "teardown")
    ]
    selected = {f"test_a[{n}]": "AS-C01" for n, _ in enumerate(calls)}
    required = (requirement(1, strength=strength),)
    return Results({}, required, selected, tuple(phases), {"finished": True}, problems)


@pytest.mark.parametrize(
    ("results", "complaint"),
    [
        (baseline("passed", "passed"), ""),
        (baseline("passed", "failed"), "AS-C01: FAILED"),
        (baseline("passed", "undecided"), "AS-C01: UNKNOWN"),
        (baseline("skipped"), "AS-C01: SKIPPED"),
        (baseline("not-applicable"), ""),
        (baseline("failed", strength="MAY"), ""),
        (baseline("passed", problems=("WrongHash: no",)), "WrongHash: no"),
        (baseline(), "AS-C01: did not run"),
    ],
)
def test_what_is_not_green_is_named(results: Results, complaint: str) -> None:
    """Every chosen test MUST have run and passed, in a record that is whole; a MAY may fail."""
    found = _not_green(results, ["AS-C01"])

    assert [text[: len(complaint)] for _, text in found] == ([complaint] if complaint else [])


def test_a_deadline_is_three_times_the_baseline_and_the_longest_wait() -> None:
    """A test against a mutant MUST have three times its slowest case, and one wait more."""
    assert _deadlines(baseline("passed", "passed"), ["AS-C01"]) == {"AS-C01": 3 * 3.0 + LONGEST}


def test_a_proof_waits_no_longer_than_a_run() -> None:
    """The limits of a proof MUST be known ones, and no longer than usual."""
    assert all(seconds <= LIMITS[name].default for name, seconds in PATIENCE.items())
