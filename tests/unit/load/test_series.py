"""Several comparisons told together."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fixtures.errors import UsageError
from fixtures.load.__main__ import main
from fixtures.load.records import RunResult
from fixtures.load.series import load_series
from fixtures.load.summary import Terms
from tests.unit.load.results import paired
from tests.unit.load.test_summary import TERMS, small, written


def compared(seed: int, *, factor: float = 1.0, b: str = "one", slower: float = 1.0) -> RunResult:
    """A comparison, by default of a build with itself."""
    arms = {"a": {"sha256": "one", "slower": 1.0}, "b": {"sha256": b, "slower": slower}}
    return replace(paired(claims=20, seed=seed, factor=factor), sut={"arms": {}, **arms})


def kept(folder: Path, *runs: RunResult) -> list[Path]:
    """The folders of these runs."""
    terms = Terms(compared=True)
    return [written(folder / f"run-{number}", run, terms) for number, run in enumerate(runs)]


def test_comparisons_of_a_build_with_itself_are_re_paired(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each run MUST have its row, and the blocks of all of them MUST be paired anew."""
    folders = kept(tmp_path, compared(1), compared(2))

    assert main(["series", *map(str, folders), "--times", "50"]) == 0

    told = capsys.readouterr().out
    assert all(f"| {folder} |" in told for folder in folders)
    assert "re-pairings: 6 pairs drawn 50 times from the 24 blocks of 2 runs" in told
    assert re.search(r"; \d+\.\d% quiet", told)


@pytest.mark.parametrize("other", [{"b": "two"}, {"slower": 2.0}])
def test_other_builds_are_not_re_paired(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], other: dict[str, Any]
) -> None:
    """Two controllers that differ, or are made to, have no control: their blocks MUST NOT be mixed."""
    [folder] = kept(tmp_path, compared(1, factor=2.0, **other))

    assert main(["series", str(folder)]) == 0

    told = capsys.readouterr().out
    assert "outcomes: 1 REGRESSED" in told
    assert "re-pairings" not in told


def test_blocks_of_invalid_runs_are_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What a run that does not count has measured MUST NOT enter the control."""
    invalid = compared(1)
    *others, last = invalid.repetitions
    jump = replace(last.noise, clock_jump_s=1.0)
    spoilt = replace(invalid, repetitions=(*others, replace(last, noise=jump)))
    folders = kept(tmp_path, spoilt)

    assert main(["series", *map(str, folders)]) == 0

    told = capsys.readouterr().out
    assert "verdicts: 1 INVALID" in told
    assert "re-pairings: none, all runs are INVALID" in told


def test_what_is_no_series_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Other binaries, no comparison, no run: MUST be a usage error that names the difference."""
    one, two = kept(tmp_path, compared(1), compared(1, b="two"))
    alone = written(tmp_path / "alone", small(), TERMS)

    with pytest.raises(UsageError, match="are no series: their builds differ"):
        load_series([one, two])
    with pytest.raises(UsageError, match="is no comparison of two controllers"):
        load_series([alone])
    file = two / "run.json"
    file.write_text(file.read_text(encoding="utf-8").replace('"slower"', '"unknown"'), encoding="utf-8")
    with pytest.raises(UsageError, match="did not record how much a build was slowed"):
        load_series([one, two])
    assert main(["series", str(tmp_path / "nothing")]) == 4
    assert main(["series", str(one), "--times", "0"]) == 4
    assert "--times 0: at least 1 is needed" in capsys.readouterr().out
