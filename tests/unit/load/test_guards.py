"""The guards: what pytest-benchmark would let pass although nothing, or something else, was measured."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.unit.conformance.conftest import Ended, Project, project
from tests.unit.load.sample_suites import (
    CHILD_WITHOUT_CPU_INFO,
    HEALTHY,
    MAX,
    P50,
    judged,
    with_performance_tests,
    without_cpu_info,
)

__all__ = ["project"]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs in this process, without a search for the CPU."""
    without_cpu_info(monkeypatch)


@pytest.fixture
def suite(project: Project) -> Project:
    """A project with a healthy suite of performance tests."""
    with_performance_tests(project, HEALTHY)
    return project


def baselines(suite: Project) -> list[Path]:
    """Every saved baseline."""
    return sorted((suite.path / ".benchmarks").rglob("*.json"))


def saved(suite: Project, name: str = "good") -> Path:
    """A baseline of the healthy suite."""
    ended = suite.run("tests/perf", f"--perf-save={name}")
    assert ended.code == 0, ended.text
    return baselines(suite)[-1]


def entries(file: Path) -> dict[str, list[float]]:
    """The data of every benchmark in a file of pytest-benchmark, by its full name."""
    return {b["fullname"]: b["stats"]["data"] for b in json.loads(file.read_text())["benchmarks"]}


# -- 1: nothing is measured ---------------------------------------------------


@pytest.mark.parametrize(
    ("args", "why"),
    [
        (["--benchmark-skip"], "--benchmark-skip skips it"),
        (["-p", "no:benchmark"], "pytest-benchmark is not loaded"),
    ],
)
def test_a_replay_that_would_not_be_one_is_refused(suite: Project, args: list[str], why: str) -> None:
    """PERF-PB-1: where benchmarks are off, performance tests MUST be refused, not passed."""
    refused(suite.run("tests/perf", *args), why)


def test_disabled_benchmarks_are_refused(suite: Project) -> None:
    """PERF-PB-1, in short."""
    refused(suite.run("tests/perf", "--benchmark-disable"), "--benchmark-disable disables the measurement")


def test_a_replay_in_workers_is_refused(suite: Project) -> None:
    """PERF-PB-1: so MUST they with workers."""
    # Without the imports of a real one: three processes would wait for them.
    marked = "@replays('claim ready')\ndef test_perf(benchmark):\n    assert 0\n"
    with_performance_tests(suite, marked, imports="from fixtures.load.virtualclock import replays\n")

    refused(suite.run_child("tests/perf", "-n2"), "workers (-n) share the machine")


def refused(ended: Ended, why: str) -> None:
    assert ended.code == 4, ended.text
    assert f"would pass without having measured anything: {why}" in ended.text
    assert "2 passed" not in ended.text


def test_what_replays_nothing_is_not_refused(suite: Project) -> None:
    """A test with a real timer of its own MUST run as before where benchmarks are off."""
    with_performance_tests(suite, "def test_other(benchmark):\n    benchmark(len, ())\n", "test_other.py")

    assert suite.run("tests/perf/test_other.py", "--benchmark-disable").code == 0
    assert suite.run("tests/perf", "-k", "other", "--benchmark-disable").code == 0


# -- 2: options that spoil baselines ------------------------------------------


@pytest.mark.parametrize(
    ("args", "text"),
    [
        (["--benchmark-save=x"], "--benchmark-save is refused"),
        (["--benchmark-cprofile=cumtime"], "--benchmark-cprofile is refused"),
        (["--benchmark-compare", "tests/perf"], "--benchmark-compare takes 'tests/perf' for the name of a"),
        (["--perf-save=a/b"], "--perf-save takes a name of letters, digits, '.', '_' and '-', not 'a/b'"),
        (["--perf-budgets=none.yaml"], "--perf-budgets none.yaml: there is no file"),
        (["--perf-actors=99"], "--perf-actors takes a number from 100 to 100000, not 99"),
        (["--compare=v0.5.5"], "--compare needs --with SPEC beside it"),
        (["--with=v0.5.5"], "--with needs --compare SPEC beside it"),
        (["--slower=2", "--perf-save=x"], "such a run is no baseline"),
        (["--compare=v0.5.5", "--with=v0.5.6", "--slower=1"], "--slower takes a factor above 1"),
        (["--compare=v0.5.5", "--with=0.5.6"], "--with 0.5.6: '0.5.6' is not a version"),
    ],
)
def test_4_before_anything_starts(suite: Project, args: list[str], text: str) -> None:
    """PERF-PB-2: options that spoil baselines or cannot be meant MUST be named before the testbed starts."""
    ended = suite.run("-k", "perf", *args)

    assert ended.code == 4, ended.text
    assert text in ended.text
    assert suite.log() == []


def test_autosave_is_refused(suite: Project) -> None:
    """PERF-PB-2: the option that lets every run become the next baseline MUST be refused at once."""
    ended = suite.run("tests/perf", "--benchmark-autosave")

    assert ended.code == 4, ended.text
    assert "--benchmark-autosave is refused: it saves a run before anyone has judged it" in ended.text
    assert baselines(suite) == []


# -- 3: baselines of other environments ---------------------------------------


def test_each_environment_has_a_store_of_its_own(suite: Project) -> None:
    """PERF-PB-3: baselines MUST be kept by cluster, with the environment in them."""
    file = saved(suite)

    assert file.relative_to(suite.path).parts[:2] == (".benchmarks", "kwok")
    fingerprint = json.loads(file.read_text())["machine_info"]["fingerprint"]
    assert fingerprint["provider"] == "kwok"
    assert sorted(fingerprint) == ["cores", "cpu", "kernel", "kubernetes", "nodes", "provider", "python"]


def test_a_store_that_was_chosen_is_used(suite: Project) -> None:
    """--benchmark-storage MUST keep its meaning."""
    assert suite.run("tests/perf", "--perf-save=good", "--benchmark-storage=file://mine").code == 0

    assert list((suite.path / "mine").rglob("*good.json"))


def test_a_baseline_of_another_machine_is_refused(suite: Project) -> None:
    """PERF-PB-3: a baseline of another environment MUST be refused, with what differs."""
    edit(saved(suite), lambda content: content["machine_info"]["fingerprint"].update(cpu="another CPU"))

    ended = suite.run("tests/perf", "--benchmark-compare")

    assert ended.code == 4, ended.text
    assert "cpu was another CPU, is a CPU" in ended.text
    assert suite.log().count("start") == 1, "the testbed was started for nothing"


def test_a_baseline_of_no_known_machine_is_refused(suite: Project) -> None:
    """PERF-PB-3: so MUST one that does not say where it comes from."""
    edit(saved(suite), lambda content: content["machine_info"].pop("fingerprint"))

    ended = suite.run("tests/perf", "--benchmark-compare")

    assert ended.code == 4, ended.text
    assert "cpu was not noted, is a CPU" in ended.text


def edit(file: Path, change: Any) -> None:
    content = json.loads(file.read_text())
    change(content)
    file.write_text(json.dumps(content))


# -- 4: what the baseline lacks -----------------------------------------------


def test_a_test_that_the_baseline_lacks_fails(suite: Project) -> None:
    """PERF-PB-4: a test without an entry MUST fail, and no other."""
    edit(saved(suite), lambda content: content["benchmarks"].pop())

    ended = suite.run("tests/perf", "--benchmark-compare")

    assert ended.code == 1, ended.text
    assert f"no baseline has an entry for {MAX}" in ended.text
    assert f"no baseline has an entry for {P50}" not in ended.text


def test_a_new_test_may_be_allowed(suite: Project) -> None:
    """PERF-PB-4: with --perf-allow-new it MUST pass."""
    edit(saved(suite), lambda content: content["benchmarks"].pop())

    assert suite.run("tests/perf", "--perf-allow-new", "--benchmark-compare").code == 0


def test_a_comparison_without_any_baseline_fails(suite: Project) -> None:
    """PERF-PB-4: so MUST every test where nothing was ever saved."""
    ended = suite.run("tests/perf", "--benchmark-compare")

    assert ended.code == 1, ended.text
    assert f"no baseline has an entry for {P50}" in ended.text


def test_a_regression_against_the_baseline_fails(suite: Project) -> None:
    """--benchmark-compare-fail MUST end with 1, by the suite's own account, too, and with a whole summary."""
    saved(suite)
    with_performance_tests(suite, HEALTHY.replace("VALUES[statistic]", "[2 * v for v in VALUES[statistic]]"))
    with (suite.path / "conftest.py").open("a") as conftest:
        conftest.write(CHILD_WITHOUT_CPU_INFO)

    # In a child: pytest-benchmark raises at the very end, which makes 1 of a process's exit code.
    ended = suite.run_child("tests/perf", "--benchmark-compare=0001", "--benchmark-compare-fail=median:50%")

    assert ended.code == 1, ended.text
    assert "exit code 1: " in ended.text
    assert "Performance has regressed" in ended.text


# -- 5: what becomes a baseline -----------------------------------------------


def test_a_pass_becomes_a_baseline(suite: Project) -> None:
    """PERF-PB-5: a run with nothing but PASS MUST be saved under its name, samples included."""
    file = saved(suite)

    assert file.name == "0001_good.json"
    assert entries(file) == {P50: [0.1, 0.25], MAX: [0.5, 0.75]}


def test_nothing_is_saved_that_was_not_asked_for(suite: Project) -> None:
    """PERF-PB-5: a passing run alone MUST leave no baseline, but its benchmark.json."""
    assert suite.run("tests/perf").code == 0

    assert baselines(suite) == []
    assert entries(suite.artifacts / "perf" / "benchmark.json") == {P50: [0.1, 0.25], MAX: [0.5, 0.75]}


BAD = {
    "REGRESSED": (judged("PASS", "REGRESSED"), 1),
    "INVALID": (judged("PASS", "INVALID"), 6),
    "INCONCLUSIVE": (judged("PASS", "INCONCLUSIVE"), 3),
    "skipped": (HEALTHY + "\ndef test_skips():\n    pytest.skip('not now')\n", 3),
    "another fails": (HEALTHY + "\ndef test_fails():\n    assert 0\n", 1),
}


@pytest.mark.parametrize("case", BAD)
def test_nothing_else_becomes_a_baseline(suite: Project, case: str) -> None:
    """PERF-PB-5: with anything but PASS among performance tests nothing MUST be saved, and that be said."""
    source, code = BAD[case]
    with_performance_tests(suite, source)

    ended = suite.run("tests/perf", "--perf-save=bad")

    assert baselines(suite) == []
    assert "the baseline bad was not saved: not every performance test is a PASS" in ended.text
    assert ended.code == code, ended.text


def test_a_missed_budget_becomes_no_baseline(suite: Project) -> None:
    """PERF-PB-5, in short."""
    with_performance_tests(suite, judged("PASS", "SLO_MISSED"))

    suite.run("tests/perf", "--perf-save=bad")

    assert baselines(suite) == []


# -- 6 and 7: who judges, and by what -----------------------------------------


def test_a_replay_without_a_verdict_is_invalid(suite: Project) -> None:
    """PERF-PB-6: a test that replays and does not judge its run MUST be INVALID."""
    with_performance_tests(suite, HEALTHY.replace("settle(", "(lambda *a, **k: None)("))

    ended = suite.run("tests/perf")

    assert ended.code == 6, ended.text
    assert "INVALID: NO_VERDICT" in ended.text


def test_a_verdict_without_a_replay_is_invalid(suite: Project) -> None:
    """PERF-PB-6: a test that judges and replays nothing MUST be INVALID."""
    with_performance_tests(suite, HEALTHY.replace("replay(", "print("))

    ended = suite.run("tests/perf")

    assert ended.code == 6, ended.text
    assert "INVALID: EMPTY" in ended.text


@pytest.mark.parametrize(
    "marker",
    ["@pytest.mark.benchmark(group='other')", "@pytest.mark.benchmark(timer=__import__('time').time)"],
)
def test_a_replay_by_a_real_clock_is_invalid(suite: Project, marker: str) -> None:
    """PERF-PB-7: where another marker brings the real timer back, the test MUST be INVALID."""
    with_performance_tests(suite, HEALTHY.replace("@pytest.mark.param", f"{marker}\n@pytest.mark.param"))

    ended = suite.run("tests/perf")

    assert ended.code == 6, ended.text
    assert "INVALID: REPLAY: pytest-benchmark kept 2 values" in ended.text


# -- what is collected --------------------------------------------------------


@pytest.mark.parametrize(
    ("args", "ran"),
    [
        ([], ["test_passes"]),
        (["-k", "perf"], ["test_perf_claim_ready[p50]", "test_perf_claim_ready[max]"]),
        (["-k", "perf and p50"], ["test_perf_claim_ready[p50]"]),
        (["-k", "perf or C01"], ["test_passes", "test_perf_claim_ready[p50]", "test_perf_claim_ready[max]"]),
        (["-k", "passes"], ["test_passes"]),
        (["tests/perf", "-k", "p50"], ["test_perf_claim_ready[p50]"]),
        (["tests/e2e"], ["test_passes"]),
    ],
)
def test_performance_tests_run_when_they_are_asked_for(
    suite: Project, args: Sequence[str], ran: list[str]
) -> None:
    """A plain pytest MUST run the conformance tests alone; -k perf or a path asks for performance tests."""
    suite.write(CONFORMANCE)

    ended = suite.run(*args, "-v")

    assert [line.split()[0].split("::")[1] for line in ended.text.splitlines() if " PASSED" in line] == ran
    assert ended.code == 0, ended.text


CONFORMANCE = '''
    @claims(1)
    def test_passes():
        """It MUST hold."""
'''


def test_a_baseline_may_be_named_by_its_file(suite: Project) -> None:
    """--benchmark-compare=FILE MUST keep its meaning; only a path of tests is refused."""
    file = saved(suite).relative_to(suite.path)

    assert suite.run("tests/perf", f"--benchmark-compare={file}").code == 0


def test_the_documented_comparison_runs(suite: Project) -> None:
    """`pytest -k perf --benchmark-compare` MUST collect and compare tests/perf; testpaths lacks it."""
    suite.write(CONFORMANCE)
    saved(suite)

    ended = suite.run("-k", "perf", "--benchmark-compare")

    assert ended.code == 0, ended.text
    assert "2 passed, 1 deselected" in ended.text
    assert "Comparing against benchmarks from" in ended.text or "0001_good" in ended.text
    assert "focused run (-k)" in ended.text


def test_what_pytest_benchmark_warns_of_is_no_crash(suite: Project) -> None:
    """A run without a single replay MUST end by its verdicts, also with warnings as errors."""
    with_performance_tests(suite, judged("INVALID").replace("    replay(", "    print("))

    ended = suite.run("tests/perf", "--benchmark-json=b.json", "--benchmark-compare")

    assert ended.code == 6, ended.text


@pytest.mark.parametrize(
    ("arguments", "ran"),
    [
        pytest.param((), "test_alone", id="nothing to compare"),
        pytest.param(("--compare=v0.5.5", "--with=v0.5.6", "--slower=2"), "test_both", id="two controllers"),
    ],
)
def test_comparisons_run_by_themselves(suite: Project, arguments: tuple[str, ...], ran: str) -> None:
    """With --compare only comparisons MUST run, without it none of them."""
    with_performance_tests(
        suite,
        """
        import pytest

        def test_alone(): pass

        @pytest.mark.comparison
        def test_both(perf_options):
            assert perf_options.slower == 2
        """,
        "test_two.py",
    )

    ended = suite.run("tests/perf/test_two.py", "-v", *arguments)
    assert "1 passed, 1 deselected" in ended.text
    assert f"::{ran} PASSED" in ended.text


def test_a_test_reads_the_options(suite: Project) -> None:
    """What the command line says MUST reach the tests, checked and with absolute paths."""
    (suite.path / "mine.yaml").write_text("{}")
    with_performance_tests(
        suite,
        """
        import pytest

        @pytest.mark.comparison
        def test_options(perf_options, pytestconfig):
            assert (perf_options.arms, perf_options.slower) == (("v0.5.5", "v0.5.6"), 1)
            assert perf_options.budgets == pytestconfig.rootpath / "mine.yaml"
            assert (perf_options.strict, perf_options.allow_new, perf_options.save) == (True, True, "x.1")
        """,
        "test_options.py",
    )

    ended = suite.run(
        "tests/perf/test_options.py",
        *("--compare=v0.5.5", "--with=v0.5.6", "--perf-budgets=mine.yaml"),
        *("--perf-strict", "--perf-allow-new", "--perf-save=x.1"),
    )

    assert "1 passed" in ended.text
    assert "the baseline x.1 was not saved: no performance test has replayed anything" in ended.text
    assert ended.code == 3, "a baseline was asked for, and there is none"
