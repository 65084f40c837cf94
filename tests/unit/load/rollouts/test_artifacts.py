"""What is kept of rollouts: read back as it was, and no number that does not follow from it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from fixtures.errors import UsageError
from fixtures.load.__main__ import main
from fixtures.load.framed import Damaged
from fixtures.load.rollouts import pictures
from fixtures.load.rollouts.artifacts import FOLDER
from fixtures.load.rollouts.figures import Measured
from fixtures.load.summary import SUMMARY
from tests.unit.load.rollouts.runs import among, clean, with_failure
from tests.unit.load.rollouts.test_judgement import terms
from tests.unit.load.test_pictures import PNG, names, words


def kept(folder: Path) -> Path:
    """A folder with a clean run and its summary."""
    FOLDER.write_run(folder, clean())
    FOLDER.write_summary(folder, clean(), terms())
    return folder


def test_a_run_is_read_back_as_it_was(tmp_path: Path) -> None:
    """Nothing MUST be lost, and what it was judged by neither."""
    kept(tmp_path)

    assert FOLDER.load_run(tmp_path) == clean()
    assert FOLDER.load_terms(tmp_path) == terms()


def test_a_run_without_a_measured_machine_is_kept(tmp_path: Path) -> None:
    """A measurement that broke off MUST be kept, too."""
    broken = replace(clean(), noise=None, changes=(), turns=())
    FOLDER.write_run(tmp_path, broken)

    assert FOLDER.load_run(tmp_path) == broken


def test_the_same_run_gives_the_same_bytes(tmp_path: Path) -> None:
    """Two folders of one run MUST be equal."""
    one, other = kept(tmp_path / "one"), kept(tmp_path / "other")

    assert {f.name: f.read_bytes() for f in one.iterdir()} == {
        f.name: f.read_bytes() for f in other.iterdir()
    }


def test_a_number_that_does_not_follow_is_found(tmp_path: Path) -> None:
    """Every published number MUST be computed again, and the command MUST say which differs."""
    kept(tmp_path)
    assert FOLDER.recompute(tmp_path) == []
    assert main(["recompute", str(tmp_path)]) == 0

    summary = json.loads((tmp_path / SUMMARY).read_text())
    summary["metrics"]["t_green"]["values"]["max"]["value"] = 0.1
    (tmp_path / SUMMARY).write_text(json.dumps(summary))

    [line] = FOLDER.recompute(tmp_path)
    assert line.startswith("metrics.t_green.values.max.value: summary.json has 0.1")
    assert main(["recompute", str(tmp_path)]) == 1


def test_damage_is_seen(tmp_path: Path) -> None:
    """A file that is cut off MUST NOT be taken for a short run."""
    kept(tmp_path)
    file = tmp_path / "turns.jsonl.gz"
    file.write_bytes(file.read_bytes()[:-30])

    with pytest.raises(Damaged, match="ends in the middle"):
        FOLDER.load_run(tmp_path)


def test_another_folder_is_named(tmp_path: Path) -> None:
    """A folder without a run MUST be an error of usage."""
    with pytest.raises(UsageError, match=r"rollouts\.json cannot be read"):
        FOLDER.load_run(tmp_path)


def test_a_run_has_its_pictures(tmp_path: Path) -> None:
    """What has data MUST be drawn, the same each time, and again by the command."""
    kept(tmp_path)
    drawn = pictures.draw(tmp_path, clean())
    first = {file.name: file.read_bytes() for file in drawn}

    assert names(drawn) == ["handover.png", "rollouts.png", "durations.png"]
    assert all(data.startswith(PNG) for data in first.values())
    assert main(["pictures", str(tmp_path)]) == 0
    assert {name: (tmp_path / name).read_bytes() for name in first} == first


def test_costs_are_drawn_where_there_are_several(tmp_path: Path) -> None:
    """Among several numbers of actors the cost MUST be drawn, and no hand-over where nobody asked."""
    drawn = pictures.draw(tmp_path, among((100, 0.002), (1000, 0.02)))

    assert names(drawn) == ["durations.png", "actors.png"]


def test_a_hand_over_shows_both_templates_and_what_happened() -> None:
    """Who answers, when it changed and what failed MUST stand in the picture."""
    text = words(pictures.handover(Measured(with_failure(clean(), 25))))

    for word in (
        "answered by the old template",
        "answered by the new template",
        "failed",
        "changed",
        "new one Ready",
        "old one gone",
    ):
        assert word in text
