"""Progress of long steps, off a terminal."""

from __future__ import annotations

import io
import re
import sys

import pytest

from fixtures import progress
from fixtures.progress import step
from tests.unit.cluster.conftest import eventually


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """Stands for the process's original standard error; not a terminal."""
    for name in ("FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    stream = io.StringIO()
    monkeypatch.setattr(sys, "__stderr__", stream)
    return stream


def test_a_short_step_is_one_plain_line(written: io.StringIO, capfd: pytest.CaptureFixture[str]) -> None:
    """A step MUST end with how long it took, without escape codes, past pytest's capture."""
    with step("embedded cluster [bold]") as current:
        assert current.elapsed >= 0

    assert re.fullmatch(r"embedded cluster \[bold\]: took \d+\.\d s\n", written.getvalue())
    assert capfd.readouterr() == ("", "")


def test_a_failed_step_says_so(written: io.StringIO) -> None:
    """A step that raises MUST end with how long it took to fail; the error goes on."""
    with pytest.raises(KeyboardInterrupt), step("build"):
        raise KeyboardInterrupt

    assert re.fullmatch(r"build: failed after \d+\.\d s\n", written.getvalue())


def test_a_long_step_shows_that_it_goes_on(written: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
    """Off a terminal a line MUST appear now and then, with what the step does at the moment."""
    monkeypatch.setattr(progress, "HEARTBEAT", 0.02)

    with step("pool") as current:
        eventually(lambda: "pool … 0 s\n" in written.getvalue())
        current.note("7 of 30 [ready]")
        eventually(lambda: "pool (7 of 30 [ready]) … 0 s\n" in written.getvalue())

    assert written.getvalue().splitlines()[-1].startswith("pool: took ")
    assert "\x1b" not in written.getvalue()


def test_a_long_line_is_not_wrapped(written: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
    """A step MUST be one line however narrow the output is taken for."""
    monkeypatch.setenv("COLUMNS", "20")

    with step("word " * 30):
        pass

    assert written.getvalue().count("\n") == 1
