"""What became of a pair of test and mutant: only a failure for the right reason counts."""

from __future__ import annotations

from typing import Any

import pytest

from fixtures.conformance.mutants import PROXY_FAILED
from fixtures.conformance.results import Phase
from fixtures.proof.judge import Status, judge, parameters_of
from fixtures.proof.plan import NOTICES, OPEN, SURVIVES, Pair
from tests.unit.proof.samples import ASSERTION, pair, phases

DEADLINES = {"AS-C01": 10.0}


def status(found: list[Phase], wanted: Pair | None = None) -> Status:
    """The status of the one pair."""
    (cell,) = judge([wanted or pair()], found, DEADLINES)
    return cell.status


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ({}, Status.KILLED),
        ({"text": f"WaitTimeout: {ASSERTION}", "statement": ""}, Status.KILLED),
        ({"teardown": "failed"}, Status.KILLED),
        ({"statement": "assert other"}, Status.WRONG_REASON),
        ({"statement": "", "text": "KeyError: 'x'"}, Status.WRONG_REASON),
        ({"call": "passed"}, Status.SURVIVED),
        ({"call": "undecided"}, Status.SURVIVED),
        ({"call": "passed", "teardown": "failed"}, Status.SURVIVED),
        ({"hits": 0}, Status.NOT_FIRED),
        ({"hits": None}, Status.NOT_FIRED),
        ({"call": "passed", "hits": 0}, Status.NOT_FIRED),
        ({"duration": 11.0}, Status.TIMEOUT),
        ({"duration": 11.0, "call": "passed"}, Status.TIMEOUT),
        ({"setup": "failed", "call": ""}, Status.ERROR),
        ({"call": "crashed"}, Status.ERROR),
        ({"call": "", "teardown": ""}, Status.ERROR),
        ({"evidence": {PROXY_FAILED: ["upstream-lost: gone"]}}, Status.ERROR),
        ({"setup": "not-applicable", "call": ""}, Status.NOT_APPLICABLE),
        ({"setup": "not-supported", "call": ""}, Status.NOT_APPLICABLE),
        ({"call": "skipped"}, Status.NOT_APPLICABLE),
    ],
)
def test_each_status_has_its_cause(how: dict[str, Any], expected: Status) -> None:
    """A failure MUST count only in the call, on the expected assertion, and with the mutant there."""
    assert status(phases(**how)) is expected


def test_a_test_that_did_not_run_is_an_error() -> None:
    """A pair without a report MUST be an ERROR."""
    (cell,) = judge([pair()], phases(mutant="as/other"), DEADLINES)

    assert (cell.status, cell.evidence) == (Status.ERROR, "it did not run")


@pytest.mark.parametrize("expected", [NOTICES, SURVIVES, OPEN])
@pytest.mark.parametrize("found", Status)
def test_only_the_declared_end_is_as_expected(expected: str, found: Status) -> None:
    """A test that must notice MUST end KILLED and nothing else; one that must not MUST NOT notice."""
    (cell,) = judge([pair(expected)], phases(), DEADLINES)
    vars(cell)["status"] = found

    good = {
        NOTICES: {Status.KILLED},
        SURVIVES: {Status.SURVIVED, Status.NOT_FIRED},
        OPEN: set(Status),
    }
    assert cell.as_expected == (found in good[expected])


def test_an_empty_assertion_proves_nothing() -> None:
    """Where nothing is said to fail, no failure MUST be the expected one."""
    assert status(phases(), pair(assertion="")) is Status.WRONG_REASON


class TestCases:
    """A test with several cases."""

    @pytest.mark.parametrize(
        ("calls", "expected"),
        [
            (("failed", "passed"), Status.KILLED),
            (("passed", "passed"), Status.SURVIVED),
            (("passed", "undecided"), Status.SURVIVED),
        ],
    )
    def test_one_case_that_notices_is_enough(self, calls: tuple[str, str], expected: Status) -> None:
        """A pair is KILLED if one of its cases is."""
        found = phases(calls[0], case="warm") + phases(calls[1], case="cold")

        assert status(found) is expected

    @pytest.mark.parametrize(("case", "expected"), [("warm", Status.SURVIVED), ("warm-late", Status.KILLED)])
    def test_a_named_case_is_the_only_one_that_counts(self, case: str, expected: Status) -> None:
        """Where a case is named, others MUST NOT count, not even one whose name begins alike."""
        found = phases("passed", case="warm") + phases("failed", case="warm-late")

        assert status(found, pair(case=case)) is expected

    def test_a_case_that_does_not_exist_is_an_error(self) -> None:
        """A named case that nothing reported on MUST be an ERROR that names it."""
        (cell,) = judge([pair(case="hot")], phases(case="warm"), DEADLINES)

        assert (cell.status, cell.evidence) == (Status.ERROR, "no case 'hot'")

    def test_time_and_hits_are_those_of_all_cases(self) -> None:
        """Duration and hits MUST be summed up over the cases."""
        (cell,) = judge([pair()], phases(case="warm") + phases("passed", case="cold"), DEADLINES)

        assert (cell.hits, cell.duration) == (6, 6.0)


@pytest.mark.parametrize(
    ("nodeid", "expected"),
    [
        ("t.py::test_a", ("", "")),
        ("t.py::test_a[warm]", ("warm", "")),
        ("t.py::test_a[as/null]", ("", "as/null")),
        ("t.py::test_a[warm-as/pod-kill-edit]", ("warm", "as/pod-kill-edit")),
        ("t.py::test_a[a/b-1-as/null]", ("a/b-1", "as/null")),
        ("t.py::test_a[2-x-as/null]", ("2-x", "as/null")),
    ],
)
def test_case_and_mutant_are_read_from_the_node_id(nodeid: str, expected: tuple[str, str]) -> None:
    """The mutant MUST be the last parameter, and the case all before it."""
    assert parameters_of(nodeid) == expected
