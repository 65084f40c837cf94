"""The roster, the feature registry and the list of expected failures."""

from __future__ import annotations

import datetime
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fixtures.conformance import Requirement, expect
from fixtures.conformance.__main__ import main
from fixtures.conformance.features import FEATURES, Declaration, Feature, FeatureSet, of_version
from fixtures.conformance.marker import first_sentence
from fixtures.conformance.roster import Roster, differences, load
from fixtures.conformance.selection import keep, smoke
from fixtures.errors import UsageError

from .conftest import ROOT, Project

A = Requirement("AS-C01", "t.py::a", "CLAIMS", "core", "MUST", "It MUST a.")
B = Requirement(
    "AS-C02", "t.py::b", "CLAIMS", "extended", "SHOULD", "It SHOULD b.", features=("SandboxClaim",)
)
C = Requirement("AS-L01", "t.py::c", "WARMPOOL", "core", "MUST", "It MUST c.")


# -- roster -------------------------------------------------------------------


def test_the_roster_survives_its_file(tmp_path: Path) -> None:
    """Writing and reading MUST give the same roster, whatever the order of the tests."""
    file = tmp_path / "conformance.yaml"
    file.write_text(Roster((B, A), ("AS-C09",)).to_yaml(), encoding="utf-8")

    assert load(file) == Roster((A, B), ("AS-C09",))
    assert Roster((B, A)).digest == Roster((A, B)).digest
    assert file.read_text(encoding="utf-8") == load(file).to_yaml()


def test_an_edited_roster_is_refused(tmp_path: Path) -> None:
    """A roster edited by hand MUST be refused."""
    file = tmp_path / "conformance.yaml"
    file.write_text(Roster((A,)).to_yaml().replace("level: core", "level: extended"), encoding="utf-8")

    with pytest.raises(UsageError, match="edited by hand"):
        load(file)


def test_differences_are_listed(tmp_path: Path) -> None:
    """Every difference MUST have its line."""
    before = Roster((A, B))
    after = before.regenerated([replace(A, level="extended"), C])

    assert after.retired == ("AS-C02",)
    assert differences(before, after) == [
        "AS-C01: level is 'core', the marker says 'extended'",
        "AS-C02: has no test any more",
        "AS-L01: is new",
        "AS-C02: should be listed as retired",
    ]
    assert differences(before, before.regenerated([B, A])) == []


def test_the_roster_command(project: Project) -> None:
    """`roster` MUST write what `roster --check` then accepts, until a marker changes or an id is reused."""
    source = '''
        @claims({n}, level="{level}")
        def test_{name}():
            """It MUST hold. This is not part of it."""
    '''

    def command(*args: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "fixtures.conformance", "roster", *args],
            cwd=project.path,
            env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "PYTEST_ADDOPTS": "-p fixtures.plugin"},
            capture_output=True,
            text=True,
            timeout=50,
        )

    project.write(source.format(n=1, level="core", name="a"))
    written = command()
    assert written.returncode == 0, written.stdout + written.stderr
    assert load(project.path / "tests/e2e/conformance.yaml").requirements == (
        Requirement("AS-C01", "tests/e2e/test_sample.py::test_a", "CLAIMS", "core", "MUST", "It MUST hold."),
    )
    project.write(source.format(n=1, level="extended", name="b"))
    checked = command("--check")
    assert checked.returncode == 1
    assert "AS-C01: level is 'core', the marker says 'extended'" in checked.stdout


def test_retired_ids_are_never_used_again(project: Project) -> None:
    """A marker with a retired id MUST be a definition bug."""
    (project.path / "tests/e2e/conformance.yaml").write_text(
        Roster((), ("AS-C01",)).to_yaml(), encoding="utf-8"
    )
    project.write('''
        @claims(1)
        def test_again():
            """It MUST hold."""
    ''')

    ended = project.run()

    assert ended.code == 4
    assert "id AS-C01 is retired and is never used again" in ended.text


@pytest.mark.parametrize(
    ("docstring", "sentence"),
    [
        (None, ""),
        ("It MUST a.", "It MUST a."),
        ("It MUST\n    a. More.\n\n    Else.", "It MUST a."),
        ("v0.5.6 MUST do e.g. this. Then more.", "v0.5.6 MUST do e.g. this."),
        ("It MUST a", "It MUST a"),
    ],
)
def test_first_sentences(docstring: str | None, sentence: str) -> None:
    """The first sentence MUST end at its full stop, on one line."""
    assert first_sentence(docstring) == sentence


def test_selection() -> None:
    """Ids MUST win over profiles and suites."""
    every = [A, B, C]
    assert keep(every) == {"AS-C01", "AS-C02", "AS-L01"}
    assert keep(every, profiles=["CLAIMS"], suite="extended") == {"AS-C02"}
    assert keep(every, ids=frozenset({"AS-L01"}), profiles=["CLAIMS"], suite="extended") == {"AS-L01"}
    assert smoke([replace(A, id="AS-C03"), *every]) == {"AS-C01", "AS-L01"}


# -- features -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("version", "has", "lacks"),
    [
        ("v0.5.2", "SandboxWarmPoolTemplateHash", "SandboxClaimAdoptionConflict"),
        ("v0.5.4", "SandboxClaimAdoptionConflict", "SandboxWarmPoolReplenishDelay"),
        ("v0.5.5", "SandboxWarmPoolReplenishDelay", "SandboxClaimPendingIPGrace"),
        ("v0.5.6", "SandboxClaimPendingIPGrace", "SandboxClaimTemplateWatch"),
        ("v0.5.6", "SandboxV1Alpha1", "SandboxClaimObservedGeneration"),
        ("1.0.0", "SandboxClaimTemplateWatch", "SandboxV1Alpha1"),
        ("v0.5.10", "SandboxClaimPendingIPGrace", "SandboxClaimTemplateWatch"),
    ],
)
def test_features_of_versions(version: str, has: str, lacks: str) -> None:
    """A version MUST have what came with it and MUST NOT have what came later or went before."""
    assert has in of_version(version)
    assert lacks not in of_version(version)
    assert "SandboxClaim" in of_version(version)


def test_feature_names_have_a_form() -> None:
    """A free-form name MUST be refused."""
    with pytest.raises(ValueError, match="PascalCase"):
        Feature("sandbox-claim", "CLAIMS", "x")
    assert list(FEATURES) == [feature.name for feature in FEATURES.values()]


def test_declared_and_inferred_features() -> None:
    """A declared feature MUST stay, an exempted one MUST go, and the difference MUST be reported."""
    declared = Declaration.parse(
        ["SandboxClaimTemplateWatch"], ["SandboxClaimPendingIPGrace"], None, ["CLAIMS"]
    )
    found = FeatureSet.decide(declared, ["SandboxWarmPool", "SandboxClaimPendingIPGrace"])

    assert dict(found.supported) == {
        "SandboxClaim": "manual",
        "SandboxClaimTemplateWatch": "manual",
        "SandboxWarmPool": "inferred",
    }
    assert found.mismatch == ("SandboxClaimPendingIPGrace",)
    assert found.source_of_absence("SandboxClaimPendingIPGrace") == "manual"
    assert found.source_of_absence("SandboxClaimAdoptionConflict") == "inferred"
    assert FeatureSet.from_wire(found.to_wire()) == found


def test_a_features_file_is_the_whole_declaration(tmp_path: Path) -> None:
    """With a file, inference MUST only serve to notice differences."""
    file = tmp_path / "features.toml"
    file.write_text('supported = ["SandboxClaim"]\nunsupported = ["SandboxWarmPool"]\n', encoding="utf-8")

    found = FeatureSet.decide(Declaration.parse(file=file), ["SandboxClaim", "SandboxClaimPendingIPGrace"])

    assert dict(found.supported) == {"SandboxClaim": "manual"}
    assert found.mismatch == ("SandboxClaimPendingIPGrace",)
    assert found.profiles((), ["CLAIMS", "WARMPOOL"]) == ("CLAIMS",)


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ('supported = ["SandboxWarmpoolRecreateCheck"]', "did you mean 'SandboxWarmPoolRecreateCheck'"),
        ('suported = ["SandboxClaim"]', "unknown key 'suported'"),
        ('supported = "SandboxClaim"', "must be a list of feature names"),
        ('supported = ["SandboxClaim"]\nunsupported = ["SandboxClaim"]', "both supported and unsupported"),
        ("supported = [", "--features"),
    ],
)
def test_bad_features_files(tmp_path: Path, content: str, text: str) -> None:
    """A bad file MUST be refused with its name."""
    file = tmp_path / "features.toml"
    file.write_text(content, encoding="utf-8")

    with pytest.raises(UsageError) as caught:
        Declaration.parse(file=file)
    assert text in str(caught.value)
    assert str(file) in str(caught.value)


# -- expected failures --------------------------------------------------------

TODAY = datetime.date(2026, 6, 1)
KNOWN = {"id": "AS-C01", "reason": "wrong", "issue": "#1", "until": "2026-12-31"}


def made_report(outcomes: dict[str, str], **more: Any) -> dict[str, Any]:
    return {
        "implementation": {"version": "v0.5.6"},
        "tests": [
            {"id": name, "outcome": outcome, "reason": "it broke", "attempts": 1}
            for name, outcome in outcomes.items()
        ],
        "focused": False,
        "incomplete": [],
        "profiles": [{"name": "CLAIMS", **{level: {"result": "success"} for level in ("core", "extended")}}],
        **more,
    }


def compared(tmp_path: Path, entries: list[dict[str, Any]], found: dict[str, Any]) -> expect.Comparison:
    import yaml

    file = tmp_path / "expected.yaml"
    file.write_text(yaml.safe_dump(entries), encoding="utf-8")
    return expect.compare(found, expect.load(file), TODAY)


@pytest.mark.parametrize(
    ("outcomes", "changes", "difference"),
    [
        ({"AS-C01": "FAILED"}, {}, None),
        ({"AS-C01": "FAILED"}, {"matches": "broke"}, None),
        (
            {"AS-C01": "FAILED"},
            {"matches": "vanished"},
            "AS-C01: fails in another way than 'vanished': it broke",
        ),
        ({"AS-C01": "FAILED"}, {"until": "2026-05-31"}, "AS-C01: tolerated until 2026-05-31 only (#1)"),
        ({"AS-C01": "PASSED"}, {}, "AS-C01: expected to fail (#1), but it is PASSED; drop the entry"),
        ({"AS-C01": "PASSED"}, {"versions": "<0.5.6"}, None),
        ({"AS-C01": "FAILED"}, {"versions": "<0.5.6"}, "AS-C01: FAILED: it broke"),
        ({"AS-C01": "FAILED", "AS-C02": "ERROR"}, {}, "AS-C02: ERROR: it broke"),
        ({}, {}, "AS-C01: expected to fail, but the report has no such requirement"),
    ],
)
def test_failures_must_be_the_expected_ones(
    tmp_path: Path, outcomes: dict[str, str], changes: dict[str, str], difference: str | None
) -> None:
    """Only the exact set of known failures MUST be green; stale, expired and other ones MUST NOT."""
    comparison = compared(tmp_path, [KNOWN | changes], made_report(outcomes))

    assert comparison.different == ((difference,) if difference else ())
    assert comparison.exit_code == (1 if difference else 0)


def test_open_ends_are_not_expected(tmp_path: Path) -> None:
    """A report with something undecided MUST NOT be green."""
    unknown = {"result": "unknown", "summary": "1 of 2 requirements are undecided"}
    profile = {"name": "CLAIMS", "core": unknown, "extended": {"result": "none"}}

    assert compared(tmp_path, [], made_report({}, profiles=[profile])).exit_code == 3
    assert compared(tmp_path, [], made_report({}, incomplete=["interrupted"])).exit_code == 3


@pytest.mark.parametrize("field", ["id", "reason", "issue", "until"])
def test_expectations_are_complete(tmp_path: Path, field: str) -> None:
    """An expectation without reason, issue or end MUST be refused."""
    with pytest.raises(UsageError, match=f"entry 1 has no {field}"):
        compared(tmp_path, [{k: v for k, v in KNOWN.items() if k != field}], made_report({}))


def test_verify_report_on_a_real_run(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    """`verify-report` and `render` MUST agree with the run that made the files."""
    project.write('''
        @claims(1)
        def test_known():
            """It MUST hold."""
            assert 1 == 2

        @claims(2)
        def test_passes():
            """It MUST hold."""
    ''')
    assert project.run().code == 1
    made = project.artifacts / "conformance-report.yaml"
    before = made.read_bytes()
    known = project.path / "known.yaml"
    known.write_text("- {id: AS-C01, reason: known, issue: '#1', until: 2999-01-01}\n", encoding="utf-8")

    assert main(["verify-report", str(made)]) == 1
    assert main(["verify-report", "--expect", str(known), str(made)]) == 0
    assert "as expected  AS-C01: known (#1, until 2999-01-01)" in capsys.readouterr().out
    assert main(["render", str(project.artifacts / "results.jsonl")]) == 0
    assert made.read_bytes() == before
    assert main(["verify-report", "/nowhere.yaml"]) == 4
    (project.artifacts / "junit.xml").write_text("<testsuites/>", encoding="utf-8")
    assert main(["verify-report", "--expect", str(known), str(made)]) == 1
