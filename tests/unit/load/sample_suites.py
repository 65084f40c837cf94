"""Small suites of performance tests on a stub testbed, for self-tests of what pytest makes of them."""

from __future__ import annotations

import textwrap

import pytest

# Before a suite runs in this process: what it imports is forgotten after it, which numpy does not bear.
import fixtures.load.replay  # noqa: F401
from tests.unit.conformance.conftest import Project

INI = """
[pytest]
testpaths = tests/e2e
addopts = --strict-markers --import-mode=importlib -p no:cacheprovider -p no:hypothesispytest
filterwarnings = error
"""

IMPORTS = """
import pytest
from fixtures.load.replay import replay, replays
from fixtures.load.verdict import PerfVerdict, Reason, State, Verdict

VALUES = {"p50": [0.1, 0.25], "max": [0.5, 0.75]}

def verdict(state):
    return Verdict("sample", state, () if state is State.PASS else (Reason(state, "CODE", "as told"),))
"""

#: A healthy suite: each statistic replayed, each test with its verdict.
HEALTHY = """
@replays("claim ready")
@pytest.mark.parametrize("statistic", ["p50", "max"])
def test_perf_claim_ready(benchmark, settle, statistic):
    replay(benchmark, VALUES[statistic])
    settle(verdict(State.PASS))
"""

#: What a suite replays; tests name them as pytest does.
P50 = "tests/perf/test_perf_speed.py::test_perf_claim_ready[p50]"
MAX = "tests/perf/test_perf_speed.py::test_perf_claim_ready[max]"


def judged(*states: str) -> str:
    """A suite whose tests replay and come to these verdicts."""
    return "".join(
        f"""
@replays("claim ready")
def test_perf_{number}(benchmark, settle):
    replay(benchmark, [0.5])
    settle(verdict(State.{state}))
"""
        for number, state in enumerate(states)
    )


def with_performance_tests(
    project: Project, source: str, name: str = "test_perf_speed.py", imports: str = IMPORTS
) -> None:
    """Write a module of tests/perf, in a project that has pytest-benchmark loaded."""
    project.pytester.makeini(INI)
    folder = project.path / "tests" / "perf"
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(imports + textwrap.dedent(source), encoding="utf-8")


def without_cpu_info(monkeypatch: pytest.MonkeyPatch, model: str = "a CPU") -> None:
    """Let pytest-benchmark not spend a second on finding out what the CPU is."""
    monkeypatch.setattr("pytest_benchmark.plugin.get_cpu_info", lambda: {"brand_raw": model})


#: The same for a child process, at the end of its conftest.py.
CHILD_WITHOUT_CPU_INFO = """
import pytest_benchmark.plugin
pytest_benchmark.plugin.get_cpu_info = lambda: {"brand_raw": "a CPU"}
"""
