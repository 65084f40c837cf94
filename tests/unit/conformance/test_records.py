"""From records to verdicts and renderings: reducers, broken files, and the same bytes every time."""

from __future__ import annotations

import copy
import itertools
import json
import random
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from fixtures.conformance import Requirement, exitcodes, report
from fixtures.conformance.outcomes import Outcome, Result, of_test, worst
from fixtures.conformance.render import Rendering, render
from fixtures.conformance.results import Phase, Writer, parse, read
from fixtures.conformance.verdict import judge

HEADER = {
    "runId": "r1",
    "started": "2026-01-02T03:04:05+00:00",
    "argv": [],
    "suite": {"version": "0.1.0", "commit": "c", "rosterDigest": "sha256:0"},
    "target": {
        "provider": "kwok",
        "class": "kwok",
        "k8sVersion": "v1.36.3",
        "nodes": 3,
        "clusterUid": "u",
        "sut": {"name": "agent-sandbox", "version": "v0.5.6", "sha256": "0", "flags": []},
    },
    "features": {"SandboxClaim": "inferred"},
    "profiles": ["CLAIMS"],
    "focused": [],
    "timeouts": {"pool_fill": [60, 60, 300]},
    "timeoutScale": 1,
    "seed": 1,
}


def requirement(number: int, **changes: Any) -> Requirement:
    """Requirement AS-C<number> of the CLAIMS core."""
    nodeid = f"tests/e2e/test_a.py::test_{number}"
    base = Requirement(f"AS-C{number:02}", nodeid, "CLAIMS", "core", "MUST", "It MUST hold.")
    return replace(base, **changes)


def phases(r: Requirement, call: str = "passed", **changes: Any) -> list[Phase]:
    """Three phases of one test, the call as given."""
    error = None if call == "passed" else {"type": "E", "firstLine": f"E: {call}", "text": f"E: {call}\nmore"}
    kinds = (("setup", "passed"), ("call", call), ("teardown", "passed"))
    found = [
        Phase(r.id, r.nodeid, when, what, 0.5, error=error if when == "call" else None)
        for when, what in kinds
    ]
    return [replace(phase, **changes) for phase in found]


def write(
    file: Path,
    requirements: Sequence[Requirement],
    records: Iterable[Phase],
    *,
    finished: bool = True,
    **header: Any,
) -> Path:
    """A results file; every requirement was selected."""
    writer = Writer(file)
    writer.header({**HEADER, **header})
    writer.roster(requirements, {r.nodeid: r.id for r in requirements})
    for phase in records:
        writer.phase(phase)
    writer.footer(finished=finished, reason="", collected=[r.id for r in requirements])
    return file


def rendered(tmp_path: Path, *args: Any, **header: Any) -> Rendering:
    """Write and render."""
    return render(read(write(tmp_path / "results.jsonl", *args, **header)))


# -- one test -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("recorded", "outcome"),
    [
        ({"setup": "passed", "call": "passed", "teardown": "passed"}, Outcome.PASSED),
        ({"setup": "passed", "call": "failed", "teardown": "passed"}, Outcome.FAILED),
        ({"setup": "passed", "call": "failed", "teardown": "failed"}, Outcome.FAILED),
        ({"setup": "failed", "teardown": "passed"}, Outcome.ERROR),
        ({"setup": "passed", "call": "passed", "teardown": "failed"}, Outcome.ERROR),
        ({"setup": "passed", "call": "skipped", "teardown": "failed"}, Outcome.ERROR),
        ({"setup": "passed", "call": "undecided", "teardown": "passed"}, Outcome.UNKNOWN),
        ({"setup": "undecided", "teardown": "passed"}, Outcome.UNKNOWN),
        ({"setup": "skipped", "teardown": "passed"}, Outcome.SKIPPED),
        ({"setup": "not-supported", "teardown": "passed"}, Outcome.NOT_SUPPORTED),
        ({"setup": "not-applicable", "teardown": "passed"}, Outcome.NOT_APPLICABLE),
        ({"setup": "passed", "???": "crashed"}, Outcome.FAILED),
        ({"???": "crashed"}, Outcome.FAILED),
        ({"setup": "passed", "call": "passed"}, Outcome.UNKNOWN),
        ({"setup": "passed"}, Outcome.UNKNOWN),
        ({}, Outcome.UNKNOWN),
    ],
)
def test_phases_make_an_outcome(recorded: dict[str, str], outcome: Outcome) -> None:
    """Every combination MUST have its outcome, in whatever order the phases come."""
    error = {"type": "E", "firstLine": "E", "text": "E"}
    made = [
        Phase("AS-C01", "n", when, what, error=None if what == "passed" else error)
        for when, what in recorded.items()
    ]
    for order in itertools.permutations(made):
        assert of_test(order).outcome is outcome


def test_a_pass_on_retry_is_no_pass() -> None:
    """A test that passed only at its second attempt MUST be UNKNOWN."""
    r = requirement(1)
    result = of_test(phases(r, "failed") + phases(r, attempt=2))

    assert (result.outcome, result.attempts) == (Outcome.UNKNOWN, 2)
    assert result.reason == "passed only at attempt 2; before: E: failed"


def test_the_worst_case_wins() -> None:
    """The order of severity MUST be that of the contract, whichever case comes first."""
    for bad, good in itertools.combinations(Outcome, 2):
        assert worst([Result(good), Result(bad)]).outcome is bad
        assert worst([Result(bad), Result(good)]).outcome is bad


# -- a run --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("calls", "level", "code"),
    [
        (["passed", "passed"], "success", 0),
        (["passed", "failed"], "failure", 1),
        (["failed", "undecided"], "failure", 1),
        (["passed", "undecided"], "unknown", 3),
        (["passed", "skipped"], "partial", 3),
        (["skipped", "undecided"], "unknown", 3),
        (["skipped", "skipped"], "partial", 3),
        (["passed", "not-supported"], "success", 0),
        (["not-supported", "not-applicable"], "unknown", 3),
    ],
)
def test_levels(tmp_path: Path, calls: list[str], level: str, code: int) -> None:
    """A level's verdict MUST follow its worst counting requirement; a hollow profile is unknown."""
    required = [requirement(n) for n in range(1, len(calls) + 1)]
    records = [p for r, call in zip(required, calls, strict=True) for p in phases(r, call)]

    verdict = rendered(tmp_path, required, records).verdict

    assert verdict.profiles[0].levels["core"].result == level
    assert verdict.profiles[0].levels["extended"].result == "none"
    assert exitcodes.decide(verdict) == code
    assert verdict.conformant is (code == 0)


@pytest.mark.parametrize(
    ("strength", "provisional", "count_provisional", "system", "counted"),
    [
        ("MUST", False, False, "agent-sandbox", True),
        ("SHOULD", False, True, "agent-sandbox", False),
        ("MAY", False, True, "agent-sandbox", False),
        ("SAFETY", False, False, "agent-sandbox", False),
        ("SAFETY", False, False, "reference-rollout", True),
        ("MUST", True, False, "agent-sandbox", False),
        ("MUST", True, True, "agent-sandbox", True),
    ],
)
def test_what_counts(
    tmp_path: Path, strength: str, provisional: bool, count_provisional: bool, system: str, counted: bool
) -> None:
    """Only MUST counts, SAFETY with it for our own implementations; provisional ones when asked."""
    good = requirement(1)
    bad = requirement(2, strength=strength, promote_by="2999-01-01" if provisional else None)
    target = copy.deepcopy(HEADER["target"])
    target["sut"]["name"] = system  # type: ignore[index]

    verdict = rendered(
        tmp_path,
        [good, bad],
        phases(good) + phases(bad, "failed"),
        target=target,
        countProvisional=count_provisional,
    ).verdict

    assert exitcodes.decide(verdict) == (1 if counted else 0)
    assert [e.requirement.id for e in verdict.advisories] == ([] if counted else ["AS-C02"])


NEW = {"promote_by": "2999-01-01"}


@pytest.mark.parametrize(
    ("required", "calls", "levels", "code"),
    [
        ([NEW], ["passed"], "none none", 0),
        ([NEW, NEW], ["passed", "failed"], "none none", 0),
        ([NEW, NEW | {"level": "extended"}], ["undecided", "passed"], "none none", 0),
        ([NEW, {"level": "extended"}], ["failed", "passed"], "none success", 0),
        ([NEW, {"level": "extended"}], ["passed", "not-supported"], "unknown none", 3),
        ([NEW, {"strength": "SHOULD"}], ["passed", "passed"], "none none", 0),
        # Nothing passed at all: such a run proves nothing, gates or not.
        ([NEW], ["failed"], "none none", 3),
        ([{"strength": "SHOULD"}], ["passed"], "unknown none", 3),
        ([], [], "unknown none", 3),
    ],
)
def test_a_profile_on_trial_gates_nothing(
    tmp_path: Path, required: list[dict[str, Any]], calls: list[str], levels: str, code: int
) -> None:
    """A profile whose requirements are all provisional MUST NOT count against a run, whatever became of them;
    with --count-provisional it MUST.
    """
    listed = [requirement(n, **changes) for n, changes in enumerate(required, 1)]
    records = [p for r, call in zip(listed, calls, strict=True) for p in phases(r, call)]

    verdict = rendered(tmp_path, listed, records).verdict

    [profile] = verdict.profiles
    assert " ".join(profile.levels[level].result for level in ("core", "extended")) == levels
    assert exitcodes.decide(verdict) == code
    assert verdict.conformant is (code == 0)
    assert verdict.counting_failures == ()
    if "failed" in calls:
        counted = write(tmp_path / "counted.jsonl", listed, records, countProvisional=True)
        assert exitcodes.decide(render(read(counted)).verdict) == 1


def test_a_profile_on_trial_stands_beside_others(tmp_path: Path) -> None:
    """Failures of a profile on trial MUST leave the others what they are; the report MUST show them."""
    good = requirement(1)
    new = requirement(2, profile="ROLLOUT", **NEW)

    rendering = rendered(
        tmp_path, [good, new], phases(good) + phases(new, "failed"), profiles=["CLAIMS", "ROLLOUT"]
    )

    assert [(p.name, p.levels["core"].result) for p in rendering.verdict.profiles] == [
        ("CLAIMS", "success"),
        ("ROLLOUT", "none"),
    ]
    assert rendering.verdict.conformant
    assert exitcodes.decide(rendering.verdict) == 0
    assert [e.requirement.id for e in rendering.verdict.advisories] == [new.id]


def test_exit_codes_win_in_order(tmp_path: Path) -> None:
    """4 MUST win over 2, 2 over 1, 1 over 3 and 3 over 0."""
    r = requirement(1)
    bad = rendered(tmp_path, [r], phases(r, "failed")).verdict

    assert exitcodes.decide(bad, usage=True, interrupted=True, broken=True) == 4
    assert exitcodes.decide(bad, interrupted=True, broken=True) == 2
    assert exitcodes.decide(bad, broken=True) == 1
    good = replace(bad, entries=(), focused=())
    assert exitcodes.decide(good, broken=True) == 3
    assert exitcodes.decide(good, other_failures=True) == 1


@pytest.mark.parametrize(
    ("changes", "selected", "code"),
    [({}, False, 0), ({}, True, 1), ({"finished": False}, False, 3), ({"focused": ()}, False, 3)],
)
def test_tests_that_decide_no_requirement_may_stand_alone(
    tmp_path: Path, changes: dict[str, Any], selected: bool, code: int
) -> None:
    """Where only such tests were asked for, their passing MUST be enough; else it MUST excuse nothing."""
    r = requirement(1)
    verdict = rendered(tmp_path, [r], phases(r, "failed")).verdict
    if not selected:
        entry = replace(verdict.entries[0], selected=False, result=Result(Outcome.UNKNOWN, "not selected"))
        verdict = replace(verdict, entries=(entry,))
    verdict = replace(verdict, **({"focused": ("a part of the tests by path",)} | changes))

    assert exitcodes.decide(verdict, other_passes=True) == code


@pytest.mark.parametrize(
    ("changes", "conformant"),
    [
        ({}, True),
        ({"focused": ["-k"]}, False),
        ({"profiles": []}, False),
        ({"profiles": ["CLAIMS", "WARMPOOL"]}, False),
        ({"finished": False}, False),
    ],
)
def test_conformant(tmp_path: Path, changes: dict[str, Any], conformant: bool) -> None:
    """`conformant` MUST need a full, finished run and a success in every declared profile."""
    r = requirement(1)
    rendering = rendered(tmp_path, [r], phases(r), **changes)

    assert rendering.verdict.conformant is conformant
    assert (exitcodes.decide(rendering.verdict) == 0) is (conformant or "focused" in changes)


def test_submittable(tmp_path: Path) -> None:
    """`submittable` MUST also need a released suite and a complete description of the implementation."""
    r = requirement(1)
    verdict = rendered(tmp_path, [r], phases(r)).verdict
    complete = {"organization": "o", "project": "p", "url": "u", "version": "v", "contact": ["c"]}

    assert report.submittable(verdict, complete, released=True)
    assert not report.submittable(verdict, complete, released=False)
    assert not report.submittable(verdict, {**complete, "contact": []}, released=True)
    assert not report.submittable(replace(verdict, focused=("-k",)), complete, released=True)


# -- broken files -------------------------------------------------------------


def good_file(tmp_path: Path) -> bytes:
    r = requirement(1)
    return write(tmp_path / "good.jsonl", [r], phases(r)).read_bytes()


def lines(data: bytes) -> list[bytes]:
    return data.splitlines(keepends=True)


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("EmptyFile", lambda data: b""),
        ("MissingFooter", lambda data: b"".join(lines(data)[:-1])),
        ("BadLine", lambda data: data[:-20]),
        ("MissingHeader", lambda data: b"".join(lines(data)[1:])),
        ("WrongHash", lambda data: data.replace(b"passed", b"failed", 1)),
        ("WrongHash", lambda data: b"".join(line for n, line in enumerate(lines(data)) if n != 3)),
        ("DuplicatePhase", lambda data: b"".join([*lines(data)[:3], lines(data)[2], *lines(data)[3:]])),
        ("DataAfterFooter", lambda data: data + lines(data)[2]),
        ("MissingRoster", lambda data: b"".join(line for n, line in enumerate(lines(data)) if n != 1)),
    ],
)
def test_broken_files_prove_nothing(tmp_path: Path, name: str, damage: Any) -> None:
    """Every kind of damage MUST be named, and the verdict MUST NOT be conformant."""
    whole = good_file(tmp_path)
    assert parse(whole).problems == ()

    found = parse(damage(whole))

    assert name in [problem.partition(":")[0] for problem in found.problems]
    rendering = render(found)
    assert rendering.verdict.conformant is False
    assert exitcodes.decide(rendering.verdict) == 3
    for profile in rendering.verdict.profiles:
        assert profile.levels["core"].result == "unknown"


def test_every_cut_of_a_file_is_noticed(tmp_path: Path) -> None:
    """A file cut at any byte MUST have a problem; only the final line break may be lost."""
    whole = good_file(tmp_path)

    for length in range(len(whole) - 1):
        assert parse(whole[:length]).problems, length


# -- renderings ---------------------------------------------------------------


def sample(tmp_path: Path, shuffle: int = 0) -> Rendering:
    required = [
        requirement(1, features=("SandboxClaim",)),
        requirement(2),
        requirement(3, strength="SHOULD", level="extended"),
        requirement(4),
        requirement(5, profile="WARMPOOL"),
    ]
    calls = ["passed", "failed", "failed", "undecided", "skipped"]
    records = [p for r, call in zip(required, calls, strict=True) for p in phases(r, call)]
    records[4] = replace(records[4], error={"type": "E", "firstLine": "E: \x1b[31mred", "text": "\x00 < & é"})
    random.Random(shuffle).shuffle(records)
    return rendered(tmp_path, required, records)


def test_renderings_do_not_depend_on_the_order_of_reports(tmp_path: Path) -> None:
    """The same results MUST give the same bytes."""
    first: dict[str, bytes] = {}
    for shuffle in range(5):
        folder = tmp_path / str(shuffle)
        folder.mkdir()
        files = sample(folder, shuffle).files
        first = first or files
        assert files == first
    assert sorted(first) == ["conformance-report.yaml", "junit.xml"]


def test_the_report_fits_its_schema_and_the_schema_is_strict(tmp_path: Path) -> None:
    """The report MUST fit; a foreign, missing or capitalised key anywhere MUST NOT."""
    (tmp_path / "r.yaml").write_bytes(sample(tmp_path).files["conformance-report.yaml"])
    good = report.load(tmp_path / "r.yaml")

    def places(node: Any) -> Iterable[dict[str, Any]]:
        if isinstance(node, dict):
            yield node
        children = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
        for child in children:
            yield from places(child)

    count = len(list(places(good)))
    for n in range(count):
        bad = copy.deepcopy(good)
        place = list(places(bad))[n]
        place["Passed"] = "surprise"
        with pytest.raises(jsonschema.ValidationError):
            report.check(bad)
    for key in good:
        with pytest.raises(jsonschema.ValidationError):
            report.check({k: v for k, v in good.items() if k != key})


def test_the_schema_is_a_schema() -> None:
    """The published file MUST be valid JSON Schema and MUST forbid unknown properties everywhere."""
    schema = json.loads(report.SCHEMA.read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)

    def objects(node: Any) -> Iterable[dict[str, Any]]:
        if isinstance(node, dict):
            if node.get("type") == "object":
                yield node
            for child in node.values():
                yield from objects(child)
        elif isinstance(node, list):
            for child in node:
                yield from objects(child)

    assert all(found.get("additionalProperties", True) is not True for found in objects(schema))


def test_the_report_lists_every_requirement(tmp_path: Path) -> None:
    """Selected or not, every entry of the roster MUST be in the report."""
    rendering = sample(tmp_path)
    (tmp_path / "r.yaml").write_bytes(rendering.files["conformance-report.yaml"])
    made = report.load(tmp_path / "r.yaml")

    assert [(t["id"], t["outcome"]) for t in made["tests"]] == [
        ("AS-C01", "PASSED"),
        ("AS-C02", "FAILED"),
        ("AS-C03", "FAILED"),
        ("AS-C04", "UNKNOWN"),
        ("AS-C05", "SKIPPED"),
    ]
    assert made["advisories"] == [{"id": "AS-C03", "outcome": "FAILED", "reason": "E: failed"}]


def test_junit_has_real_children_and_properties(tmp_path: Path) -> None:
    """Failures MUST be elements that every reader of JUnit files counts."""
    root = ET.fromstring(sample(tmp_path).files["junit.xml"])
    cases = {case.get("name", "").split()[0]: case for case in root.iter("testcase")}

    children = {name: [c.tag for c in case if c.tag != "properties"] for name, case in cases.items()}
    assert children == {
        "AS-C01": [],
        "AS-C02": ["failure"],
        "AS-C03": ["skipped"],
        "AS-C04": ["error"],
        "AS-C05": ["skipped"],
    }
    properties = {p.get("name"): p.get("value") for p in cases["AS-C01"].iter("property")}
    assert properties == {
        "id": "AS-C01",
        "profile": "CLAIMS",
        "level": "core",
        "features": "SandboxClaim",
        "attempt": "1",
        "outcome": "PASSED",
    }
    assert root.get("failures") == "1"
    assert judge(read(tmp_path / "results.jsonl")).finished
