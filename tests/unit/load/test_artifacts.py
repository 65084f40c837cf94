"""What a run leaves behind: the same run comes back, and a folder that is not whole is refused."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest

from fixtures.errors import SuiteError, UsageError
from fixtures.load.artifacts import kept, load_run, write_run
from fixtures.load.framed import Damaged
from fixtures.load.records import Attempt, Failure, RunResult
from tests.unit.load.results import healthy, paired


def small() -> RunResult:
    """A run with everything a record can hold: gaps, failures, attempts that were refused, cold claims."""
    run = healthy(claims=8, repetitions=2, pool_size=6)
    claim = run.repetitions[1].claims[0]
    claim.flags.update({"timeout", "gap"})
    claim.error = Failure("http_409", 409, "AlreadyExists")
    claim.attempts.append(Attempt(7, 429, 1.5))
    claim.t_ready_ns = None
    bare = replace(run.repetitions[2], barrier=None, scrape_before="", api_scrape_after="")
    return replace(run, repetitions=(*run.repetitions[:2], bare))


def outcome(folder: Path) -> str:
    """What reading a folder says: the kind of error and its text, empty if there is none."""
    try:
        load_run(folder)
    except SuiteError as err:
        return f"{type(err).__name__}: {err}"
    return ""


@pytest.mark.parametrize("make", [small, lambda: paired(pairs=2, claims=5)])
def test_a_run_comes_back(tmp_path: Path, make: Callable[[], RunResult]) -> None:
    """PERF-ART-2: what was written MUST be read back equal, in every field."""
    write_run(tmp_path / "run", make())

    assert load_run(tmp_path / "run") == make()


def test_a_run_of_nothing_comes_back(tmp_path: Path) -> None:
    """A run that ended before its first repetition MUST leave a folder that says so."""
    nothing = replace(small(), repetitions=())
    write_run(tmp_path, nothing)

    assert load_run(tmp_path) == nothing


def test_the_same_run_gives_the_same_bytes(tmp_path: Path) -> None:
    """Files MUST NOT differ between two writings of one run."""
    for name in ("one", "two"):
        write_run(tmp_path / name, small())

    for file in sorted((tmp_path / "one").iterdir()):
        assert file.read_bytes() == (tmp_path / "two" / file.name).read_bytes(), file.name


def test_claims_have_the_fields_of_the_format(tmp_path: Path) -> None:
    """claims.jsonl.gz MUST be readable without this suite: header, plain names, a footer that counts."""
    write_run(tmp_path, small())

    header, *lines, footer = map(json.loads, lines_of(tmp_path, "claims.jsonl.gz"))
    assert header == {
        "record": "header",
        "schema": "perf.claims/1",
        "run_id": "run-0001",
        "scenario": "paced",
    }
    assert (footer["record"], footer["n"], len(lines)) == ("footer", 24, 24)
    assert lines[8]["error"] == {"class": "http_409", "code": 409, "reason": "AlreadyExists"}
    assert lines[8]["flags"] == ["gap", "timeout"]
    assert lines[8]["t_ready_ns"] is None
    assert lines[8]["attempts"][1] == {"t_ns": 7, "code": 429, "retry_after_s": 1.5}


def test_records_are_kept_whatever_ends_the_run(tmp_path: Path) -> None:
    """PERF-ART-1: an exception, or Ctrl-C, MUST leave what was measured until then, whole."""
    for error in (KeyboardInterrupt, RuntimeError):
        folder = tmp_path / error.__name__
        run = replace(small(), repetitions=())
        with (
            pytest.raises(error),
            kept(folder, lambda run=run: replace(run, repetitions=small().repetitions[:1])),
        ):
            raise error

        assert len(load_run(folder).repetitions) == 1


def lines_of(folder: Path, name: str) -> list[bytes]:
    return gzip.decompress((folder / name).read_bytes()).splitlines(keepends=True)


def rewrite(folder: Path, name: str, lines: list[bytes]) -> None:
    (folder / name).write_bytes(gzip.compress(b"".join(lines)))


FILES = ("claims.jsonl.gz", "pool.jsonl.gz", "repetitions.jsonl.gz", "sandboxes.jsonl.gz")


def test_what_was_cut_off_is_invalid(tmp_path: Path) -> None:
    """PERF-ART-1: a file without its footer, or without one of its lines, MUST be refused by name."""
    for name in FILES:
        folder = tmp_path / name
        write_run(folder, small())
        lines = lines_of(folder, name)
        packed = (folder / name).read_bytes()

        rewrite(folder, name, lines[:-1])
        assert f"{name} has no footer: the run was cut off" in outcome(folder)
        rewrite(folder, name, [*lines[:-2], lines[-1]])
        assert f"{name} has {len(lines) - 3} lines, but its footer counts {len(lines) - 2}" in outcome(folder)
        (folder / name).write_bytes(packed[: len(packed) // 2])
        assert f"{name} ends in the middle" in outcome(folder)
        (folder / name).write_bytes(b"")
        assert f"{name} does not begin with a header" in outcome(folder)


def test_what_was_changed_is_invalid(tmp_path: Path) -> None:
    """A line that was changed afterwards MUST be noticed, also one that is still a good record."""
    write_run(tmp_path, small())
    lines = lines_of(tmp_path, "claims.jsonl.gz")

    rewrite(tmp_path, "claims.jsonl.gz", [lines[0], lines[1].replace(b'"idx":0', b'"idx":1'), *lines[2:]])

    assert "Damaged: " in outcome(tmp_path)
    assert "the footer's sha256 does not fit" in outcome(tmp_path)


@pytest.mark.parametrize(
    ("damage", "text"),
    [
        (lambda folder: (folder / "run.json").unlink(), "UsageError: "),
        (lambda folder: (folder / "run.json").write_text("{"), "is not JSON"),
        (
            lambda folder: (folder / "run.json").write_text("{}"),
            "does not fit run.schema.json: at the top level",
        ),
        (lambda folder: (folder / "pool.jsonl.gz").unlink(), "pool.jsonl.gz cannot be read: No such file"),
        (lambda folder: rewrite(folder, "claims.jsonl.gz", [b"[]\n"]), "line 1 is not an object"),
        (lambda folder: rewrite(folder, "claims.jsonl.gz", [b"x\n"]), "line 1 is not JSON"),
    ],
)
def test_a_folder_that_is_no_run_is_named(
    tmp_path: Path, damage: Callable[[Path], object], text: str
) -> None:
    """What is missing or strange MUST be said with the file's name, not as a traceback."""
    write_run(tmp_path, small())
    damage(tmp_path)

    assert text in outcome(tmp_path)


def test_a_run_is_never_written_over_another(tmp_path: Path) -> None:
    """A second run in the same folder MUST be an error."""
    write_run(tmp_path, small())

    with pytest.raises(FileExistsError):
        write_run(tmp_path, small())


def test_what_could_not_be_read_back_is_not_written(tmp_path: Path) -> None:
    """Repetitions of one number, claims of another repetition, and unknown flags MUST be errors."""
    run = small()
    with pytest.raises(ValueError, match="two repetitions have the same number"):
        write_run(tmp_path / "a", replace(run, repetitions=(run.repetitions[0], run.repetitions[0])))
    moved = replace(run.repetitions[0], rep=9)
    with pytest.raises(ValueError, match="of repetition .* says"):
        write_run(tmp_path / "b", replace(run, repetitions=(moved,)))
    strange = small()
    strange.repetitions[0].claims[0].flags.add("odd")
    with pytest.raises(jsonschema.ValidationError, match="odd"):
        write_run(tmp_path / "c", strange)


def test_damage_and_absence_have_codes_of_their_own() -> None:
    """Damaged artifacts MUST end a command as INVALID (6), a wrong path as wrong usage (4)."""
    assert (Damaged.exit_code, UsageError.exit_code) == (6, 4)
