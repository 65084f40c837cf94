"""The whole proof, on a small suite without a cluster: it holds, and fails whatever is taken away."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from fixtures.conformance.mutants import REGISTRY
from fixtures.conformance.results import Results, read
from fixtures.conformance.roster import ROSTER, Roster, from_entry
from fixtures.proof import __main__ as proof
from fixtures.versions.defects import DEFECTS
from tests.unit.proof.conftest import KILLS, SUITE, Sample

WHOLE = Results({}, (), {}, (), {"finished": True})
DOCTORED = replace(WHOLE, problems=("WrongHash: it does not fit",))


FAILING = """
@claims(3)
def test_no_release_passes_this():
    "It MUST hold."
    assert False
"""


class Runs:
    """Stands for `run_suite`: gives the records it has, and is interrupted where it has none."""

    def __init__(self, **records: Results) -> None:
        self.records = records
        self.asked: list[list[str]] = []

    def __call__(self, folder: Path, name: str, arguments: list[str], *, workers: int) -> Results:
        self.asked.append(arguments)
        if name not in self.records:
            raise KeyboardInterrupt
        return self.records[name]


def test_the_proof_of_a_good_suite_holds(sample: Sample) -> None:
    """A suite whose tests notice their mutants for the right reasons MUST be proven, with exit code 0."""
    sample.write()

    done = sample.prove()

    assert done.code == 0, done.text
    assert done.cells == {
        ("AS-C01", "as/wrong"): "KILLED",
        ("AS-C01", "as/silent"): "KILLED",
        ("AS-C02", "as/silent"): "KILLED",
    }
    assert done.matrix["holds"]
    assert [c["hits"] for c in done.matrix["cells"]] == [1, 1, 3]
    assert "the proof holds" in done.text


@pytest.mark.parametrize("test", ["AS-C01", "AS-C02"])
def test_the_proof_fails_if_any_one_test_is_vacuous(sample: Sample, test: str) -> None:
    """Whichever test is made to decide nothing: the proof MUST name it, and end with 1."""
    sample.write()

    done = sample.prove("--vacuous", test)

    assert done.code == 1
    mine = {mutant for mutant, tests in KILLS.items() if test in tests}
    assert {pair for pair, status in done.cells.items() if status != "KILLED"} == {(test, m) for m in mine}
    assert f"{test} is killed by no mutant: nobody has shown that its test can fail" in done.text


def test_whatever_else_happens_is_no_kill(sample: Sample) -> None:
    """A mutant without effect, a wrong reason, and a failure before the call MUST fail the proof by name."""
    kills = {
        "as/inert": {"AS-C01": "answer == 42"},
        "as/crash": {"AS-C01": "answer is not None"},
        "as/no-setup": {"AS-C01": "answer == 42"},
        "as/harmless": {"AS-C01": "answer == 42"},
        "as/silent": {"AS-C01": "answer is not None"},
    }
    sample.write(
        SUITE.partition("@claims(2")[0].replace('"as/wrong", "as/silent"', f"*{sorted(kills)}"), kills
    )

    done = sample.prove()

    assert done.code == 1
    assert {mutant: status for (_, mutant), status in done.cells.items()} == {
        "as/inert": "NOT_FIRED",
        "as/crash": "WRONG_REASON",
        "as/no-setup": "ERROR",
        "as/harmless": "SURVIVED",
        "as/silent": "KILLED",
    }
    assert "as/no-setup: ERROR, expected that it notices: setup: RuntimeError: nothing stands" in done.text
    assert "as/inert is noticed by no test" in done.text
    assert "the proof does not hold: 8 problems" in done.text


SURVIVOR = KILLS | {"as/harmless": {"AS-C01": "answer == 42"}}


def test_a_provisional_test_counts_for_nothing_unless_it_is_asked_for(sample: Sample) -> None:
    """What is wrong about a provisional test MUST be shown, and fail no proof."""
    suite = SUITE.replace('"as/wrong", "as/silent"', '"as/wrong", "as/silent", "as/harmless"')
    sample.write(suite, SURVIVOR, provisional=["AS-C01"])
    shown = "AS-C01 × as/harmless: SURVIVED"

    done = sample.prove()
    assert (done.code, done.cells["AS-C01", "as/harmless"]) == (0, "SURVIVED"), done.text
    assert f"provisional, counts for nothing: {shown}" in done.text
    assert "the proof holds" in done.text


@pytest.mark.parametrize("asked", [["--count-provisional"], ["--id", "AS-C01"]])
def test_a_provisional_test_counts_where_it_is_asked_for(sample: Sample, asked: list[str]) -> None:
    """All of them, or one that is named, MUST then be proven as others are."""
    suite = SUITE.replace('"as/wrong", "as/silent"', '"as/wrong", "as/silent", "as/harmless"')
    sample.write(suite, SURVIVOR, provisional=["AS-C01"])

    done = sample.prove(*asked)

    assert done.code == 1
    assert "\nAS-C01 × as/harmless: SURVIVED" in done.text


def test_a_provisional_test_that_is_red_is_left_out(sample: Sample) -> None:
    """Where it fails without a mutant it MUST be named, meet none, and not keep others from their proof."""
    sample.write(SUITE.replace("answer == 42", "answer == 43"), KILLS, provisional=["AS-C01"])

    done = sample.prove()

    assert done.code == 0, done.text
    assert "left out, provisional and not green without a mutant:\n  AS-C01: FAILED" in done.text
    assert set(done.cells) == {("AS-C02", "as/silent")}
    assert sample.prove("--id", "AS-C01", "--artifacts", str(done.folder / "again")).code == 3


def test_nothing_is_proven_on_a_red_baseline(sample: Sample) -> None:
    """Where a test does not pass on the right controller, the proof MUST end with 3 before any mutant."""
    sample.write(SUITE.replace("answer == 42", "answer == 43"), KILLS)

    done = sample.prove()

    assert done.code == 3
    assert "AS-C01: FAILED AssertionError" in done.text
    assert not (done.folder / "mutants").exists()


@pytest.mark.parametrize(("chosen", "met"), [([], 3), (["--id", "AS-C01"], 1), (["--id", "AS-C02"], 2)])
def test_a_single_mutant_meets_the_chosen_requirements(sample: Sample, chosen: list[str], met: int) -> None:
    """`pytest --mutant` MUST run all requirements against the mutant, or only those that --id names."""
    sample.write()

    done = sample.project.run("--mutant", "as/silent", *chosen, "--collect-only", "-q")

    assert done.text.count("as/silent]") == met, done.text


class TestCommandLine:
    """What is said and done before and between the runs."""

    @pytest.mark.parametrize(
        ("arguments", "complaint"),
        [
            (["--id", "AS-C03"], "unknown requirement id 'AS-C03'"),
            (["--vacuous", "AS-D01"], "unknown requirement id 'AS-D01'; did you mean 'AS-C01'"),
            (["--mutant", "as/wrang"], "unknown mutant 'as/wrang' in --mutant; did you mean 'as/wrong'?"),
            (["--share", "2"], "--share takes K/N"),
            (["--id", "AS-C02", "--mutant", "as/wrong"], "no pair of test and mutant is left to run"),
        ],
    )
    def test_what_cannot_be_meant_ends_with_4(
        self, sample: Sample, monkeypatch: pytest.MonkeyPatch, arguments: list[str], complaint: str
    ) -> None:
        """A wrong name MUST end with 4 and the nearest good one, before anything is run."""
        monkeypatch.setattr(proof, "run_suite", None)
        sample.write()

        done = sample.prove(*arguments)

        assert done.code == 4
        assert complaint in done.text

    def test_artifacts_of_another_proof_are_left_alone(self, sample: Sample) -> None:
        """A folder that is there already MUST NOT be written to."""
        sample.write()
        sample.prove("--share", "2").folder.mkdir()

        done = sample.prove()

        assert done.code == 4
        assert "is there already; choose another folder" in done.text

    def test_a_registry_that_disagrees_ends_with_4(
        self, sample: Sample, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Registry and markers MUST agree, about what is proven at least."""
        monkeypatch.setattr(proof, "run_suite", Runs())
        sample.write(kills=KILLS | {"as/wrong-too": {}})

        assert "as/wrong-too has no killer" in sample.prove().text
        assert "as/wrong-too has no killer" not in sample.prove("--mutant", "as/wrong").text

    def test_an_interruption_ends_with_2(self, sample: Sample, monkeypatch: pytest.MonkeyPatch) -> None:
        """Ctrl-C and SIGTERM MUST end with 2, after the cluster has been taken down."""
        deleted: list[str] = []
        monkeypatch.setattr(proof, "run_suite", Runs())
        monkeypatch.setattr(proof, "_delete_cluster", deleted.append)
        sample.write()

        assert sample.prove().code == 2
        assert len(deleted) == 1

    def test_only_the_mutants_differ_between_the_runs(
        self, sample: Sample, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Both runs MUST have the same cluster, seed, limits and controller."""
        runs = Runs(baseline=WHOLE, mutants=DOCTORED)
        monkeypatch.setattr(proof, "run_suite", runs)
        monkeypatch.setattr(proof, "_not_green", lambda *_: [])
        sample.write()

        done = sample.prove("--controller", "v0.5.5", "--id", "AS-C02")

        right, wrong = runs.asked
        common = right[: right.index("--proxied")]
        assert right[len(common) :] == ["--proxied", "--id=AS-C02"]
        assert wrong == [*common, "--cells", str(done.folder / "cells.json")]
        assert common[:3] == ["--cluster", "kwok", "--reuse-cluster"]
        assert common[4].startswith("--seed=")
        assert common[-2:] == ["--controller", "v0.5.5"]

    def test_a_doctored_record_proves_nothing(self, sample: Sample, monkeypatch: pytest.MonkeyPatch) -> None:
        """A record that was changed after it was written MUST end the proof with 3."""
        monkeypatch.setattr(proof, "run_suite", Runs(baseline=WHOLE, mutants=DOCTORED))
        monkeypatch.setattr(proof, "_not_green", lambda *_: [])
        sample.write()

        done = sample.prove()

        assert done.code == 3
        assert "the record of the run with mutants is not whole: WrongHash" in done.text


def test_a_named_case_alone_meets_its_mutant(sample: Sample) -> None:
    """Where the registry names a case, no other case of the test MUST meet the mutant."""
    sample.write()
    file = sample.project.path / REGISTRY
    entries = yaml.safe_load(file.read_text())
    next(k for e in entries for k in e["killed_by"] if k["test"] == "AS-C02")["case"] = "twice"
    file.write_text(yaml.safe_dump(entries))

    done = sample.prove()

    assert done.code == 0, done.text
    assert [c["hits"] for c in done.matrix["cells"]] == [1, 1, 2]
    mutated = read(done.folder / "mutants" / "results.jsonl")
    assert {p.nodeid.rpartition("::")[2] for p in mutated.phases if p.id == "AS-C02"} == {
        "test_there_is_an_answer[twice-as/silent]"
    }


@pytest.mark.parametrize("repaired", ["not yet", "0.1.0"])
def test_what_fails_on_every_release_needs_no_mutant(sample: Sample, repaired: str) -> None:
    """A test that every release fails MUST be left out of the proof, until a release repairs it."""
    sample.write(SUITE + FAILING, {**KILLS, "as/wrong": {"AS-C01": "answer == 42", "AS-C03": "x"}})
    roster = sample.project.path / ROSTER
    content = yaml.safe_load(roster.read_text())
    next(r for r in content["requirements"] if r["id"] == "AS-C03")["killers"] = []
    requirements = tuple(from_entry(fields) for fields in content["requirements"])
    roster.write_text(Roster(requirements).to_yaml())
    registry = sample.project.path / REGISTRY
    entries = yaml.safe_load(registry.read_text())
    for entry in entries:
        entry["killed_by"] = [k for k in entry["killed_by"] if k["test"] != "AS-C03"]
    registry.write_text(yaml.safe_dump(entries))
    defect = {"requirement": "AS-C03", "issue": "none", "title": "t", "repaired": repaired, "shows": "x"}
    (sample.project.path / DEFECTS).write_text(yaml.safe_dump([defect]))

    done = sample.prove()

    if repaired == "not yet":
        assert done.code == 0, done.text
        assert "AS-C03" not in {test for test, _ in done.cells}
    else:
        assert done.code == 4
        assert "AS-C03 names no killer" in done.text
