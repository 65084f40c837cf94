"""The table of providers: what it shows, and what counts as a difference."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from fixtures.conformance.marker import Requirement
from fixtures.conformance.outcomes import Outcome, Result
from fixtures.conformance.results import Phase
from fixtures.providers import __main__ as command
from fixtures.providers import table

PROVIDERS = ["kwok", "kind"]


def requirement(name: str) -> Requirement:
    """A requirement of that id."""
    return Requirement(name, f"t.py::test_{name}", "CLAIMS", "core", "MUST", f"{name} MUST hold.")


def results(kwok: Result | None, kind: Result | None) -> dict[str, dict[str, Result]]:
    """What became of AS-C01 on both."""
    return {
        name: {} if found is None else {"AS-C01": found} for name, found in (("kwok", kwok), ("kind", kind))
    }


HOLDS = Result(Outcome.PASSED)
BROKEN = Result(Outcome.FAILED, "7 members, not 6")
ABSENT = Result(Outcome.NOT_APPLICABLE, "the environment lacks real-kubelet")


@pytest.mark.parametrize(
    ("kwok", "kind", "row", "differs"),
    [
        (HOLDS, HOLDS, "| holds | holds |  |", False),
        (ABSENT, HOLDS, "| n/a | holds | the environment lacks real-kubelet |", False),
        (HOLDS, None, "| holds | not run |  |", False),
        (HOLDS, BROKEN, "| holds | BROKEN |  |", True),
        (BROKEN, BROKEN, "| BROKEN | BROKEN |  |", False),
        (HOLDS, Result(Outcome.UNKNOWN, "late"), "| holds | UNKNOWN |  |", True),
    ],
)
def test_a_row(kwok: Result | None, kind: Result | None, row: str, differs: bool) -> None:
    """A row MUST show both outcomes, and differ only where both providers decided, and not alike."""
    found = results(kwok, kind)

    text = table.lines([requirement("AS-C01")], PROVIDERS, found)

    assert text[2] == f"| AS-C01 | AS-C01 MUST hold. {row}"
    assert table.differing(PROVIDERS, found) == (["AS-C01"] if differs else [])


def test_a_difference_is_told_with_its_reason() -> None:
    """Below the table, what was seen on the provider where it does not hold MUST be said."""
    text = table.lines([requirement("AS-C01")], PROVIDERS, results(HOLDS, BROKEN))

    assert text[-1] == "- AS-C01 on kind: FAILED 7 members, not 6"
    assert table.lines([], PROVIDERS, results(HOLDS, HOLDS))[-1] == (
        "No requirement that several providers decide differs."
    )


def test_a_record_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """--results with a file that is missing MUST be a usage error that names it."""
    code = command.main(["--artifacts", str(tmp_path / "out"), "--results", f"kwok={tmp_path / 'none'}"])

    assert code == 4
    assert f"not 'kwok={tmp_path / 'none'}'" in capsys.readouterr().out


def test_what_a_later_record_decides_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A later record of a provider MUST replace what it decided again, and take back nothing else."""
    runs = {
        "first": (["AS-C01", "AS-C02"], {"AS-C01": "failed", "AS-C02": "passed"}),
        "later": (["AS-C01", "AS-C02", "AS-C03"], {"AS-C01": "passed"}),
    }

    def read(path: Path) -> SimpleNamespace:
        selected, ended = runs[path.name]
        phases = [
            Phase(name, f"t.py::{name}", when, outcome if when == "call" else "passed")
            for name, outcome in ended.items()
            for when in ("setup", "call", "teardown")
        ]
        return SimpleNamespace(phases=phases, selected={f"t.py::{name}": name for name in selected})

    monkeypatch.setattr(command, "read", read)
    files = [tmp_path / name for name in runs]
    for file in files:
        file.touch()

    found = command._recorded([f"kind={file}" for file in files])

    assert {name: result.outcome for name, result in found["kind"].items()} == {
        "AS-C01": Outcome.PASSED,
        "AS-C02": Outcome.PASSED,
        "AS-C03": Outcome.UNKNOWN,
    }
