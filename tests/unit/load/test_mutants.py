"""The self-tests of the load measurement can fail: each wrong part is noticed by those named for it."""

from __future__ import annotations

import importlib
import inspect
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from fixtures.load.fakeserver import FakeServer
from fixtures.load.site import LoadSite
from tests.unit.conformance.conftest import Project, project
from tests.unit.load import mutants_cal, mutants_generator, mutants_judge, mutants_show, mutants_site
from tests.unit.load.mutants import Fired
from tests.unit.load.sample_suites import HEALTHY, with_performance_tests, without_cpu_info
from tests.unit.load.test_site import site

__all__ = ["project", "site"]

PARTS = {
    "instrument": mutants_cal.MUTANTS,
    "generator": mutants_generator.MUTANTS,
    "judge": mutants_judge.MUTANTS,
    "publisher": mutants_show.MUTANTS,
    "site": mutants_site.MUTANTS,
}
CASES = [
    pytest.param(mutant.lie, test, id=f"{part}-{name}-{test}")
    for part, mutants in PARTS.items()
    for name, mutant in mutants.items()
    for test in mutant.killed_by
]
#: Section 11 of the performance contract.
CONTRACT = frozenset(
    """
    slow-x2 list-per-claim cold-disguised-as-warm late-replenish no-replenish over-create shared-adopt
    double-adopt env-v1alpha1-served
    pile-up drop-one-claim env-slow gen-threads gen-relative-sleep gen-stamp-at-dequeue
    gen-ack-filter gen-no-preopen gen-shared-pool gen-get-in-watch gen-silent-reconnect
    gen-fixed-names gen-hidden-retry gen-timeout-from-last gen-mixed-clock gen-stop-at-ready
    empty-zero pct-interp stat-naive-p99 verdict-default-pass bench-real-timer art-truncate
    gen-no-barrier gen-no-preflight ab-default-flags
    """.split()  # noqa: SIM905  a list of strings would be a page
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FakeServer]:
    with FakeServer(tmp_path_factory.mktemp("fake")) as running:
        yield running


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs in this process, without a search for the CPU."""
    without_cpu_info(monkeypatch)


@pytest.fixture
def suite(request: pytest.FixtureRequest) -> Project:
    """As in test_guards."""
    made: Project = request.getfixturevalue("project")
    with_performance_tests(made, HEALTHY)
    return made


@pytest.mark.parametrize(("lie", "test"), CASES)
def test_a_mutant_is_killed(
    lie: Callable[[], AbstractContextManager[Fired]], test: str, request: pytest.FixtureRequest
) -> None:
    """The test MUST hold without the lie, and fail with it by an assertion and nothing else."""
    module, _, function = test.partition(".")
    check: Callable[..., None] = getattr(importlib.import_module(f"tests.unit.load.{module}"), function)
    arguments = {p: request.getfixturevalue(p) for p in inspect.signature(check).parameters}

    check(**arguments)
    _clean(arguments)
    with lie() as fired, pytest.raises(AssertionError):
        check(**arguments)
    assert fired.times > 0


def test_the_contracts_mutants_are_there() -> None:
    """None of the contract's wrong parts may be missing."""
    assert {name for mutants in PARTS.values() for name in mutants} >= CONTRACT


def _clean(arguments: dict[str, object]) -> None:
    """Both runs of a check begin alike."""
    if isinstance(suite := arguments.get("suite"), Project):
        shutil.rmtree(suite.path / ".benchmarks", ignore_errors=True)
        (suite.path / "stub.log").unlink(missing_ok=True)
        with_performance_tests(suite, HEALTHY)
    if isinstance(ground := arguments.get("site"), LoadSite):
        ground.clear()
    if isinstance(folder := arguments.get("tmp_path"), Path):
        for made in folder.iterdir():
            shutil.rmtree(made) if made.is_dir() else made.unlink()
