"""Known defects: the list, and what the runs of several versions show of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from packaging.version import Version

from fixtures import childrun
from fixtures.conformance.results import Phase
from fixtures.conformance.roster import ROSTER
from fixtures.conformance.roster import load as load_roster
from fixtures.errors import UsageError
from fixtures.versions import __main__ as command
from fixtures.versions.defects import DEFECTS, Defect, load
from fixtures.versions.table import Seen, lines, problems, sighting

ROOT = Path(__file__).parents[3]
ISSUE = "https://github.com/kubernetes-sigs/agent-sandbox/issues/1215"
DEFECT = Defect("AS-W02", ISSUE, "a pool outgrows its size", Version("0.5.4"), "[0, 1, 2, 3, 3]")
ENTRY = f"""
- requirement: AS-W02
  issue: {ISSUE}
  title: a pool outgrows its size
  repaired: 0.5.4
  shows: "[0, 1, 2, 3, 3]"
"""


def phases(call: str, text: str = "", *, case: str = "") -> Sequence[Phase]:
    """The three phases of the requirement's test."""
    error = {"type": "AssertionError", "firstLine": text, "text": text} if text else None
    nodeid = f"t.py::test_x{case}"
    return [
        Phase("AS-W02", nodeid, "setup", "passed"),
        Phase("AS-W02", nodeid, "call", call, error=error),
        Phase("AS-W02", nodeid, "teardown", "passed"),
    ]


@pytest.mark.parametrize(
    ("found", "seen"),
    [
        (phases("passed"), Seen.GONE),
        (phases("failed", "assert [0, 1, 2, 3, 3, 4] == [0, 1, 2, 3, 3]"), Seen.SEEN),
        (phases("failed", "pool-1 has no members"), Seen.UNCLEAR),
        (phases("undecided", "[0, 1, 2, 3, 3]"), Seen.UNCLEAR),
        ([], Seen.UNCLEAR),
    ],
    ids=["passed", "its-own-way", "another-way", "undecided", "did-not-run"],
)
def test_a_defect_is_seen_only_by_its_own_failure(found: Sequence[Phase], seen: Seen) -> None:
    """A defect MUST count as seen only where its test failed in the way the list says."""
    assert sighting(DEFECT, "v0.5.3", found).seen is seen


def test_only_the_named_case_counts() -> None:
    """Cases of the test that the list does not name MUST NOT decide."""
    defect = Defect("AS-W02", ISSUE, "t", Version("0.5.4"), "too many", case="[slow]")
    found = [*phases("failed", "too many", case="[quick]"), *phases("passed", case="[slow]")]

    assert sighting(defect, "v0.5.3", found).seen is Seen.GONE


@pytest.mark.parametrize(
    ("version", "call", "wrong"),
    [
        ("v0.5.3", "failed", False),
        ("v0.5.3", "passed", True),
        ("v0.5.4", "passed", False),
        ("v0.5.4", "failed", True),
    ],
)
def test_a_defect_is_expected_before_its_repair_and_not_after(version: str, call: str, wrong: bool) -> None:
    """A defect MUST be seen in each version before its repair and in none from then on."""
    found = sighting(DEFECT, version, phases(call, "[0, 1, 2, 3, 3]" if call == "failed" else ""))

    assert bool(problems([found])) is wrong
    assert ("(!)" in lines([found], [version])[1]) is wrong


def test_the_list_is_read(tmp_path: Path) -> None:
    """The list MUST be read as it stands."""
    file = tmp_path / "known-defects.yaml"
    file.write_text(ENTRY)

    assert load(file, {"AS-W02"}) == (DEFECT,)
    assert DEFECT.number == "#1215"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (ENTRY.replace("AS-W02", "AS-W2"), "did you mean 'AS-W02'"),
        (ENTRY.replace("title", "titel"), "did you mean 'title'"),
        (ENTRY.replace("  repaired: 0.5.4\n", ""), "entry 1 lacks repaired"),
        (ENTRY.replace("0.5.4", "soon"), "soon"),
        ("", "must be a list"),
        ("- 1", "entry 1 is not a mapping"),
    ],
)
def test_a_wrong_list_is_refused_by_name(tmp_path: Path, text: str, complaint: str) -> None:
    """A mistake in the list MUST be named."""
    file = tmp_path / "known-defects.yaml"
    file.write_text(text)

    with pytest.raises(UsageError, match=complaint):
        load(file, {"AS-W02"})


def test_a_defect_that_no_release_repaired_is_expected_in_all() -> None:
    """A defect without a repair MUST be seen in every version."""
    defect = Defect("AS-W02", "none known", "t", None, "too many")

    found = [sighting(defect, v, phases("failed", "too many")) for v in ("v0.5.3", "v9.0.0")]

    assert problems(found) == []
    assert "not yet" in lines(found, ["v0.5.3", "v9.0.0"])[1]
    assert problems([sighting(defect, "v9.0.0", phases("passed"))]) != []
    assert defect.number == ""


def test_a_version_from_before_a_defect_was_known_is_not_judged() -> None:
    """A version before `since` MUST neither confirm nor contradict a defect."""
    defect = Defect("AS-W02", ISSUE, "t", None, "too many", since=Version("0.5.5"))

    assert sighting(defect, "v0.5.3", phases("passed")).seen is Seen.NOT_JUDGED
    assert problems([sighting(defect, "v0.5.3", phases("passed"))]) == []
    assert problems([sighting(defect, "v0.5.5", phases("passed"))]) != []


def test_the_list_of_the_suite_is_right() -> None:
    """The suite's own list MUST be readable and name requirements that exist."""
    requirements = {r.id for r in load_roster(ROOT / ROSTER).requirements}

    assert load(ROOT / DEFECTS, requirements)


def test_only_releases_are_compared(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A controller that is no release MUST be refused: it is neither before nor after a repair."""
    monkeypatch.setattr(childrun, "obey_signals", lambda: None)

    assert command.main(["--controller", "src:.."]) == 4
    assert "--controller src:..: only releases" in capsys.readouterr().out
