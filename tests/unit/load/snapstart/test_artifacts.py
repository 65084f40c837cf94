"""What is kept of SnapStart: read back as it was, no number that does not follow from it, and drawn."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fixtures.load.__main__ import main
from fixtures.load.snapstart import pictures
from fixtures.load.snapstart.artifacts import FOLDER
from fixtures.load.snapstart.figures import Measured
from fixtures.load.snapstart.records import SnapstartRun
from fixtures.load.summary import SUMMARY
from tests.unit.load.snapstart.runs import failed_restores, fan_out, pairs, rebuilds
from tests.unit.load.snapstart.test_judgement import terms
from tests.unit.load.test_pictures import PNG, names, words


@pytest.mark.parametrize("run", [pairs(), fan_out(), rebuilds()], ids=lambda run: run.scenario)
def test_a_run_is_read_back_as_it_was(tmp_path: Path, run: SnapstartRun) -> None:
    """Nothing MUST be lost, and what it was judged by neither."""
    FOLDER.write_run(tmp_path, run)
    FOLDER.write_summary(tmp_path, run, terms())

    assert FOLDER.load_run(tmp_path) == run
    assert FOLDER.load_terms(tmp_path) == terms()


def test_a_number_that_does_not_follow_is_found(tmp_path: Path) -> None:
    """Every published number MUST be computed again, intervals too, and the command say which differs."""
    FOLDER.write_run(tmp_path, pairs())
    FOLDER.write_summary(tmp_path, pairs(), terms())
    assert main(["recompute", str(tmp_path)]) == 0

    summary = json.loads((tmp_path / SUMMARY).read_text())
    summary["metrics"]["local_speedup"]["values"]["heavy"]["ci"][0] = 1.0
    (tmp_path / SUMMARY).write_text(json.dumps(summary))

    [line] = FOLDER.recompute(tmp_path)
    assert line.startswith("metrics.local_speedup.values.heavy.ci[0]: summary.json has 1.0")
    assert main(["recompute", str(tmp_path)]) == 1


def test_pairs_have_their_pictures(tmp_path: Path) -> None:
    """Stages and speed-up MUST be drawn, the same each time, and again by the command; with the table."""
    FOLDER.write_run(tmp_path, pairs())
    drawn = pictures.draw(tmp_path, pairs())
    first = {file.name: file.read_bytes() for file in drawn}

    assert names(drawn) == ["stages.png", "speedup.png", "stages.md"]
    assert all(data.startswith(PNG) for name, data in first.items() if name.endswith(".png"))
    assert main(["pictures", str(tmp_path)]) == 0
    assert {name: (tmp_path / name).read_bytes() for name in first} == first


def test_only_what_has_data_is_drawn(tmp_path: Path) -> None:
    """A fan-out has its own picture, failed restores none."""
    assert names(pictures.draw(tmp_path, fan_out())) == ["fanout.png"]
    assert pictures.draw(tmp_path, failed_restores()) == []


def test_pictures_tell_what_they_show() -> None:
    """Preloads, ways and units MUST stand in them."""
    text = words(pictures.stages(Measured(pairs())))
    assert all(word in text for word in ("bare", "numpy", "heavy", "cold", "restored", "6 pairs", "ms"))

    text = words(pictures.speedup(Measured(pairs())))
    for word in ("heavy 80.0x", "request to Sandbox Ready", "P50 cold / P50 restored"):
        assert word in text

    text = words(pictures.fanout(Measured(fan_out())))
    assert all(word in text for word in ("cold", "restored", "sessions at one instant", "MiB"))
