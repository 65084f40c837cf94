"""summary.json: every published number follows from the raw records, and whatever does not is found."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from fixtures.load.__main__ import main
from fixtures.load.artifacts import write_run
from fixtures.load.budgets import Budget, Scenario
from fixtures.load.gates import Setting
from fixtures.load.records import RunResult
from fixtures.load.summary import Terms, load_summary, load_terms, recompute, summarize, write_summary
from tests.unit.load.results import healthy, paired

BUDGETS = Scenario(
    "kwok", "paced", 20, 2, (Budget("claim_ready_latency", "p50", 0.3, because="half of all users wait"),)
)
TERMS = Terms(setting=Setting(keeps_claims=True, baseline={"cpu_loop_s": 0.1}), scenario=BUDGETS)


def small() -> RunResult:
    return healthy(claims=20, repetitions=2)


def written(folder: Path, run: RunResult, terms: Terms) -> Path:
    """A folder with the run's records and summary."""
    write_run(folder, run)
    write_summary(folder, run, terms)
    return folder


def test_every_number_follows_from_the_records(tmp_path: Path) -> None:
    """PERF-ART-2: recomputed from the files alone, every metric, gate and verdict MUST be as published."""
    assert recompute(written(tmp_path / "one", small(), TERMS)) == []
    assert recompute(written(tmp_path / "two", paired(pairs=2, claims=5), Terms(compared=True))) == []


def test_a_number_that_does_not_follow_is_found(tmp_path: Path) -> None:
    """A published number that was changed, at whatever place, MUST be named with both values."""
    folder = written(tmp_path, small(), TERMS)
    summary = json.loads((folder / "summary.json").read_text())
    places = {
        "metrics.claim_ready_latency.pooled..p50.value": summary["metrics"]["claim_ready_latency"]["pooled"][
            ""
        ]["p50"],
        "gates[0].value": summary["gates"][0],
    }
    for place, holder in places.items():
        before = holder["value"]
        holder["value"] = 0.001
        (folder / "summary.json").write_text(json.dumps(summary))

        assert recompute(folder) == [
            f"{place}: summary.json has 0.001, the records give {json.dumps(before)}"
        ]
        holder["value"] = before


def test_a_verdict_that_does_not_follow_is_found(tmp_path: Path) -> None:
    """So MUST a verdict that says PASS where the records do not."""
    tight = Scenario("kwok", "paced", 20, 2, (Budget("claim_ready_latency", "p50", 0.001),))
    folder = written(tmp_path, small(), Terms(scenario=tight))
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["verdict"]["state"] == "SLO_MISSED"
    summary["verdict"]["state"] = "PASS"
    (folder / "summary.json").write_text(json.dumps(summary))

    assert recompute(folder) == ['verdict.state: summary.json has "PASS", the records give "SLO_MISSED"']


def test_the_terms_come_back(tmp_path: Path) -> None:
    """By what a run was judged MUST be kept with it."""
    folder = written(tmp_path, small(), TERMS)

    assert load_terms(load_summary(folder), folder) == TERMS


def test_a_summary_has_the_form_of_the_schema(tmp_path: Path) -> None:
    """Metrics, gates and verdict MUST have value, number of samples, unit and clock."""
    run = small()
    made = summarize(run, TERMS, TERMS.judge(run))

    assert made["metrics"]["claim_ready_latency"]["pooled"][""]["p50"].keys() >= {
        "value",
        "n",
        "ci",
        "unit",
        "clock",
    }
    assert sorted(made["metrics"]["claim_ready_latency"]["repetitions"]) == ["0", "1", "2"]
    assert {"id", "value", "limit", "ok"} <= made["gates"][0].keys()
    assert made["verdict"]["state"] == "PASS"


class _Without:
    """A judgement whose JSON lacks something."""

    def __init__(self, content: dict[str, Any]) -> None:
        self.content = content

    def as_json(self) -> dict[str, Any]:
        return self.content


@pytest.mark.parametrize(
    "spoil",
    [
        lambda content: content.pop("verdict"),
        lambda content: content["verdict"].update(state="FINE"),
        lambda content: content["metrics"]["sched_lag"]["pooled"][""]["p50"].pop("n"),
        lambda content: content["gates"][0].pop("limit"),
        lambda content: content["metrics"].clear(),
    ],
)
def test_a_summary_without_its_parts_is_not_written(spoil: Callable[[dict[str, Any]], object]) -> None:
    """What lacks a part of the format MUST NOT be written."""
    run = small()
    content = TERMS.judge(run).as_json()
    spoil(content)

    with pytest.raises(jsonschema.ValidationError):
        summarize(run, TERMS, _Without(content))  # type: ignore[arg-type]


def test_the_command_says_what_follows_and_what_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`recompute` MUST end with 0, 1, 4 or 6, and find the runs of a whole artifacts folder."""
    artifacts = tmp_path / "artifacts"
    folder = written(artifacts / "perf" / "paced", small(), TERMS)

    assert main(["recompute", str(folder)]) == 0
    assert main(["recompute", str(artifacts)]) == 0
    assert "all of it follows from the records" in capsys.readouterr().out

    text = (folder / "summary.json").read_text()
    (folder / "summary.json").write_text(
        re.sub(r'"seed": \d+', '"seed": 5', text).replace('"PASS"', '"INVALID"')
    )
    assert main(["recompute", str(folder)]) == 1
    assert 'verdict.state: summary.json has "INVALID", the records give "PASS"' in capsys.readouterr().out

    (folder / "claims.jsonl.gz").unlink()
    assert main(["recompute", str(folder)]) == 6
    assert "claims.jsonl.gz cannot be read" in capsys.readouterr().out
    assert main(["recompute", str(tmp_path / "nothing")]) == 4
    (folder / "summary.json").unlink()
    assert main(["recompute", str(folder)]) == 4
