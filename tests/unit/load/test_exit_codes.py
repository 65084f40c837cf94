"""Exit codes 6 and 7: what a run ends with that failed by nothing but verdicts on its own measurement."""

from __future__ import annotations

import itertools

import pytest

from fixtures.conformance import exitcodes
from fixtures.conformance.exitcodes import FAILED, INCOMPLETE, INCONCLUSIVE, INTERRUPTED, INVALID, OK, USAGE
from fixtures.conformance.verdict import Verdict
from fixtures.load.verdict import State
from tests.unit.conformance.conftest import Project, project
from tests.unit.load.sample_suites import judged, with_performance_tests, without_cpu_info

__all__ = ["project"]

ONLY_PERFORMANCE = Verdict((), (), ("a part of the tests by path",), finished=True, problems=())

PASSES = '''
    @claims(1)
    def test_passes():
        """It MUST hold."""
'''


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs in this process, without a search for the CPU."""
    without_cpu_info(monkeypatch)


@pytest.mark.parametrize(
    ("states", "args", "code"),
    [
        (["PASS"], [], 0),
        (["INVALID"], [], 6),
        (["INVALID", "PASS"], [], 6),
        (["INCONCLUSIVE"], [], 0),
        (["INCONCLUSIVE"], ["--perf-strict"], 7),
        (["INCONCLUSIVE", "INVALID"], ["--perf-strict"], 6),
        (["SLO_MISSED"], [], 1),
        (["REGRESSED"], [], 1),
        (["INCORRECT"], [], 1),
        (["SLO_MISSED", "INVALID", "INCONCLUSIVE"], ["--perf-strict"], 1),
    ],
)
def test_verdicts_decide_the_code(project: Project, states: list[str], args: list[str], code: int) -> None:
    """PERF-VER-3: 6 is nothing worse than INVALID, 7 INCONCLUSIVE under --perf-strict; 1 beats 6 beats 7."""
    with_performance_tests(project, judged(*states))

    ended = project.run("tests/perf", *args)

    assert ended.code == code, ended.text
    assert f"exit code {code}: {exitcodes.MEANING[code]}" in ended.text
    for state in set(states) - {"PASS"}:
        assert f"{state} " in ended.text.split("agent sandbox conformance =")[1]


@pytest.mark.parametrize(
    ("states", "args", "code"),
    [(["INVALID"], [], 6), (["INCONCLUSIVE"], ["--perf-strict"], 7), (["PASS"], [], 0)],
)
@pytest.mark.parametrize(
    ("body", "instead"), [("pass", None), ("assert 0", 1), ("raise Undecided('one node')", 3)]
)
def test_verdicts_beside_requirements(
    project: Project, states: list[str], args: list[str], code: int, body: str, instead: int | None
) -> None:
    """A run of both kinds of tests MUST end with 6 or 7 only if all is well with the requirements."""
    with_performance_tests(project, judged(*states))
    project.write(PASSES + f"        {body}\n")

    ended = project.run("-k", "perf or C01", *args)

    assert ended.code == (code if instead is None else instead), ended.text


def test_junit_agrees(project: Project) -> None:
    """PERF-VER-2: the test itself MUST fail, so that pytest's JUnit file says so, too."""
    with_performance_tests(project, judged("PASS", "INVALID", "SLO_MISSED", "INCONCLUSIVE"))

    project.run("tests/perf", "--junitxml=j.xml")

    text = (project.path / "j.xml").read_text()
    assert 'failures="2"' in text
    assert 'tests="4"' in text


@pytest.mark.parametrize("when", ["a fixture", "another failure", "teardown"])
def test_where_a_test_fails(project: Project, when: str) -> None:
    """A verdict in a fixture MUST count as one in the test; what else fails beside it MUST give 1."""
    invalid = "raise PerfVerdict(State.INVALID, 'POOL')"
    with_performance_tests(
        project,
        f"""
        @pytest.fixture(scope="module")
        def run():
            {invalid if when == "a fixture" else "pass"}
            yield
            {"assert 0" if when == "teardown" else "pass"}

        @replays("claim ready")
        def test_perf(benchmark, run):
            {"assert 0" if when == "another failure" else invalid}
        """,
    )

    assert project.run("tests/perf").code == (6 if when == "a fixture" else 1)


@pytest.mark.parametrize("verdicts", [*((s,) for s in State), *itertools.combinations(State, 2)])
def test_the_order_of_the_codes(verdicts: tuple[State, ...]) -> None:
    """Usage, interruption and a broken run MUST win over verdicts, 1 over 6, and 6 over 7."""

    def decide(**circumstances: bool) -> int:
        return exitcodes.decide(ONLY_PERFORMANCE, verdicts=verdicts, **circumstances)

    # A test that failed although its verdict is a PASS failed for another reason.
    if set(verdicts) - {State.INVALID, State.INCONCLUSIVE}:
        expected = FAILED
    else:
        expected = INVALID if State.INVALID in verdicts else INCONCLUSIVE
    assert decide() == expected
    assert decide(other_failures=True) == FAILED
    assert decide(broken=True) == (FAILED if expected == FAILED else INCOMPLETE)
    assert decide(interrupted=True, other_failures=True) == INTERRUPTED
    assert decide(usage=True, interrupted=True) == USAGE


def test_no_verdict_is_no_pass() -> None:
    """A run of nothing MUST NOT end well; one with a performance test that passed MUST."""
    assert exitcodes.decide(ONLY_PERFORMANCE) == INCOMPLETE
    assert exitcodes.decide(ONLY_PERFORMANCE, other_passes=True) == OK
