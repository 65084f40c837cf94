"""Pictures: drawn for what has data, the same each time, with what a reader needs to judge them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from matplotlib.figure import Figure

from fixtures.load import pictures
from fixtures.load.__main__ import main
from fixtures.load.artifacts import write_run
from fixtures.load.budgets import Budget, Scenario
from fixtures.load.records import RunResult
from fixtures.load.summary import Terms, write_summary
from tests.unit.load.results import healthy, paired

BUDGETS = Scenario("kwok", "paced", 20, 2, (Budget("claim_ready_latency", "p50", 0.3),))
PNG = b"\x89PNG\r\n\x1a\n"


def words(figure: Figure | None) -> str:
    """Every text in a figure."""
    assert figure is not None
    found = [text.get_text() for text in figure.findobj(lambda artist: hasattr(artist, "get_text"))]
    return "\n".join(found)


def names(files: list[Path]) -> list[str]:
    return [file.name for file in files]


def test_a_run_has_its_pictures(tmp_path: Path) -> None:
    """A run MUST have pictures of latency, timeline and nodes, one that compares also of the comparison."""
    one = healthy(claims=20, repetitions=2)
    assert names(pictures.draw(tmp_path, one, Terms())) == ["latency.png", "timeline.png", "nodes.png"]

    drawn = pictures.draw(tmp_path, paired(pairs=5, claims=10), Terms(compared=True))
    assert names(drawn) == ["latency.png", "timeline.png", "nodes.png", "comparison.png"]
    assert all(file.read_bytes().startswith(PNG) for file in drawn)


def test_the_same_run_gives_the_same_pictures(tmp_path: Path) -> None:
    """Two drawings of one run MUST be the same bytes, whatever the settings of matplotlib around them."""
    import matplotlib

    run = healthy(claims=10, repetitions=1)
    drawn = {file.name: file.read_bytes() for file in pictures.draw(tmp_path, run, Terms())}
    with matplotlib.rc_context({"font.size": 30, "lines.linewidth": 9}):
        again = {file.name: file.read_bytes() for file in pictures.draw(tmp_path, run, Terms())}
    assert drawn == again


def test_a_latency_picture_tells_n_unit_and_budget() -> None:
    """Number of samples, unit and budget MUST stand in the picture."""
    text = words(pictures.latency(healthy(claims=20, repetitions=2), Terms(scenario=BUDGETS)))

    assert "n = 40, P50 " in text
    assert "from the intended instant to Ready, ms" in text
    assert "P50 budget\n300 ms" in text
    # 40 samples carry no P99.
    assert "P99" not in text


def test_a_timeline_shows_status_and_members() -> None:
    """What the pool's status says and what the watch saw MUST be told apart."""
    text = words(pictures.timeline(healthy(claims=20, repetitions=2), Terms()))

    for word in (
        "intended",
        "ready",
        "ready members, by watch",
        "ready members, by the pool's status",
        ", s",
    ):
        assert word in text


def test_nodes_that_served_nothing_are_there() -> None:
    """A node with members but without claims MUST have its place: it is what unbalanced looks like."""
    run = healthy(claims=3, pool_size=10, repetitions=1, nodes=10)

    text = words(pictures.nodes(run, Terms()))

    assert "balance over 10 nodes" in text
    assert text.index("node-2") < text.index("node-9")


def test_a_comparison_shows_ratio_interval_and_outcome() -> None:
    """Both arms of each pair, the ratio with its interval and what is tolerated MUST be told."""
    run = paired(pairs=5, claims=10, factor=2.0)
    run = replace(run, sut={**run.sut, "arms": {"a": "v0.5.5", "b": "v0.5.6"}})

    figure = pictures.compared(run, Terms(compared=True))

    text = words(figure)
    assert "REGRESSED, 5 pairs of blocks" in text
    assert "+10%\ntolerated" in text
    assert "b (v0.5.6)" in text
    assert figure is not None
    pairs = [line for line in figure.axes[0].get_lines() if len(line.get_xdata()) == 2]  # type: ignore[arg-type]
    assert len(pairs) == 5


def broken_pairs() -> RunResult:
    run = paired(pairs=5, claims=5)
    return replace(run, repetitions=run.repetitions[:4])


def test_what_has_no_data_is_not_drawn(tmp_path: Path) -> None:
    """A run of nothing, and pairs that are not whole, MUST be no error: the verdict says what is wrong."""
    nothing = replace(healthy(claims=3, repetitions=1), repetitions=())

    assert pictures.draw(tmp_path, nothing, Terms(compared=True)) == []
    assert "comparison.png" not in names(pictures.draw(tmp_path, broken_pairs(), Terms(compared=True)))


def test_the_command_draws_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`pictures` MUST draw from the records and name its files."""
    run = healthy(claims=10, repetitions=1)
    write_run(tmp_path, run)
    write_summary(tmp_path, run, Terms())

    assert main(["pictures", str(tmp_path)]) == 0
    assert "latency.png" in capsys.readouterr().out
    assert (tmp_path / "nodes.png").exists()
