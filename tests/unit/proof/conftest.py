"""A small suite on a stub testbed, with mutants of its own, to be proven."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from fixtures import childrun
from fixtures.conformance.mutants import REGISTRY
from fixtures.conformance.roster import ROSTER, Roster
from fixtures.proof import __main__ as proof
from tests.unit.conformance.conftest import ROOT, Project, project
from tests.unit.proof.samples import requirement

__all__ = ["project"]

#: The controller of the suite answers with a number; each mutant is one way to answer wrongly.
SYSTEM = """
import pytest
import stub_testbed
from fixtures.conformance import add_evidence, checks, conformance

class System:
    def __init__(self, lie):
        self.lie, self.hits = lie, 0

    def answer(self):
        wrong = {"as/wrong": 41, "as/silent": None, "as/harmless": 42, "as/crash": "?"}
        if self.lie in wrong:
            self.hits += 1
            return wrong[self.lie]
        return 42

    def set_up(self):
        if self.lie == "as/no-setup":
            self.hits += 1
            raise RuntimeError("nothing stands")

@pytest.fixture
def mutant(request):
    system = System(getattr(request, "param", None))
    count = lambda: add_evidence(request.node, "mutant", {"id": system.lie, "hits": system.hits})
    checks.register(request.node, count)
    return system

@pytest.fixture
def system(mutant):
    mutant.set_up()
    return mutant

def claims(number, *killers):
    return conformance(id=f"AS-C{number:02}", profile="CLAIMS", level="core", killers=list(killers))
"""

SUITE = """
@claims(1, "as/wrong", "as/silent")
def test_the_answer_is_right(system):
    "The answer MUST be right."
    answer = system.answer()
    assert answer is not None
    assert answer == 42

@claims(2, "as/silent")
@pytest.mark.parametrize("times", ["once", "twice"])
def test_there_is_an_answer(system, times):
    "There MUST be an answer, each time."
    answers = [system.answer() for _ in range(2 if times == "twice" else 1)]
    assert None not in answers
"""
KILLS = {
    "as/wrong": {"AS-C01": "answer == 42"},
    "as/silent": {"AS-C01": "answer is not None", "AS-C02": "None not in answers"},
}


@dataclass
class Proof:
    """One run of `python -m fixtures.proof` in this process: exit code and what it said."""

    code: int
    text: str
    folder: Path

    @property
    def matrix(self) -> dict[str, Any]:
        """The document that it wrote."""
        found: dict[str, Any] = json.loads((self.folder / "mutation-matrix.json").read_text())
        return found

    @property
    def cells(self) -> dict[tuple[str, str], str]:
        """Status by test and mutant."""
        return {(c["test"], c["mutant"]): c["status"] for c in self.matrix["cells"]}


@dataclass
class Sample:
    """A project with a suite, its roster and its registry."""

    project: Project
    _prove: Callable[..., Proof]

    def write(
        self,
        suite: str = SUITE,
        kills: dict[str, dict[str, str]] | None = None,
        *,
        provisional: Collection[str] = (),
        **more: Any,
    ) -> None:
        """Write the suite, with the mutants that its tests must notice; `more` fields for all mutants.

        `provisional` tests are so in the roster alone.
        """
        kills = KILLS if kills is None else kills
        folder = self.project.path / "tests" / "e2e"
        (folder / "test_sample.py").write_text(SYSTEM + suite, encoding="utf-8")
        entries = [
            {
                "id": name,
                "title": name,
                "kind": "view",
                "spec": [{"rule": "null"}],
                "killed_by": [{"test": test, "assertion": text} for test, text in tests.items()],
                **more,
            }
            for name, tests in kills.items()
        ]
        (self.project.path / REGISTRY).write_text(yaml.safe_dump(entries), encoding="utf-8")
        by_test: dict[str, list[str]] = {}
        for name, tests in kills.items():
            for test in tests:
                by_test.setdefault(test, []).append(name)
        requirements = [requirement(int(test[-2:]), *names) for test, names in by_test.items()]
        requirements = [
            replace(r, promote_by="2027-01-31") if r.id in provisional else r for r in requirements
        ]
        text = Roster(tuple(sorted(requirements, key=lambda r: r.id))).to_yaml()
        (self.project.path / ROSTER).write_text(text, encoding="utf-8")

    def prove(self, *arguments: str) -> Proof:
        """Run the proof."""
        return self._prove(*arguments)


@pytest.fixture
def sample(
    project: Project,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> Sample:
    """A sample project, in which the proof runs."""
    monkeypatch.setattr(childrun, "ROOT", project.path)
    monkeypatch.setattr(proof, "ROOT", project.path)
    monkeypatch.setattr(childrun, "obey_signals", lambda: None)
    monkeypatch.setattr(proof, "_delete_cluster", lambda name: None)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("PYTEST_ADDOPTS", "-p fixtures.plugin")

    def prove(*arguments: str) -> Proof:
        folder = tmp_path / "proof"
        code = proof.main(["-n", "0", "--artifacts", str(folder), *arguments])
        return Proof(code, capsys.readouterr().out, folder)

    return Sample(project, prove)
