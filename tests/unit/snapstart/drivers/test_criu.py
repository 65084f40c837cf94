"""The CRIU driver on real processes, where criu works; what it says where it does not."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from fixtures.system.snapstart.drivers import forksafety
from fixtures.system.snapstart.drivers.bench import Bench
from fixtures.system.snapstart.drivers.checks import CHECKS, Check
from fixtures.system.snapstart.drivers.kinds import CRIU, Criu
from reference.snapstart.drivers.criucommands import CriuError, CriuUnusableError, detect
from reference.snapstart.drivers.driver import RestoreFailed
from reference.snapstart.drivers.mutants import SharedSockets


@pytest.fixture(scope="session")
def usable(tmp_path_factory: pytest.TempPathFactory) -> None:
    """A criu that works here, or the test is skipped with the reason."""
    try:
        asyncio.run(detect(tmp_path_factory.mktemp("criu") / "trial"))
    except CriuUnusableError as err:
        pytest.skip(str(err))


@pytest.fixture
def bench(tmp_path: Path, usable: None) -> Iterator[Bench]:
    """A node with the CRIU driver."""
    with Bench(CRIU, tmp_path) as bench:
        yield bench


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_what_every_driver_must_do(check: Check, bench: Bench) -> None:
    """The CRIU driver MUST pass every check of drivers."""
    check(bench)


def test_images_outlive_the_driver(bench: Bench) -> None:
    """The next process MUST find the artifact, and restore it."""
    artifact = bench.create(bench.build())
    bench.run(bench.driver.close())
    bench.driver = bench.start_driver()
    assert bench.run(bench.driver.list()) == [artifact]
    assert bench.restore().witness["boot_id"] == artifact.boot_id


def test_a_shared_folder_of_sockets_is_noticed(tmp_path: Path, usable: None) -> None:
    """Restores that share a folder for their sockets MUST fail when they are concurrent."""
    with (
        Bench(Criu(SharedSockets), tmp_path) as bench,
        pytest.raises(RestoreFailed),
    ):
        bench.create(bench.build())
        bench.restore_many(5, launches=[bench.launch(limit_s=3.0) for _ in range(5)])


@pytest.mark.parametrize(("mutant", "source"), [("no-reseed", "random: "), ("reseed-random-only", "numpy: ")])
def test_missing_reseeds_are_noticed(tmp_path: Path, usable: None, mutant: str, source: str) -> None:
    """What is read back from disk goes on with the state of every generator, also the interpreter's own."""
    with (
        Bench(CRIU, tmp_path, [mutant]) as bench,
        pytest.raises(AssertionError, match=source),
    ):
        forksafety.siblings_draw_different_values(bench)


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("exit 1", "criu-unusable: dump: exit code 1"),
        ("echo cannot do that >&2; exit 1", "criu-unusable: dump: cannot do that"),
        (
            "while [ $# -gt 0 ]; do [ $1 = --images-dir ] && cd $2; shift; done\n"
            "echo '(00.1) Error (criu/vdso.c:99): vdso: Unexpected rt vDSO area bounds' > dump.log\n"
            "echo '(00.2) Error (criu/cr-dump.c:1): Dumping FAILED.' >> dump.log; exit 1",
            "criu-unusable: dump: (criu/vdso.c:99): vdso: Unexpected rt vDSO area bounds",
        ),
        ("[ $1 = dump ] && exit 0; exit 1", "criu-unusable: restore: exit code 1"),
        ("exit 0", "criu-unusable: [Errno 2] No such file or directory"),
    ],
    ids=["silent", "on stderr", "in its log", "restore", "nothing done"],
)
@pytest.mark.skipif(os.geteuid() != 0, reason="without root that is the reason")
def test_an_unusable_criu_says_why(tmp_path: Path, script: str, reason: str) -> None:
    """The reason MUST be the first error of criu, and nothing MUST be left."""
    criu = tmp_path / "criu"
    criu.write_text(f"#!/bin/sh\n{script}\n")
    criu.chmod(0o700)
    with pytest.raises(CriuUnusableError) as caught:
        asyncio.run(detect(tmp_path / "trial", str(criu)))
    assert str(caught.value).startswith(reason)
    assert not (tmp_path / "trial").exists()


def test_a_missing_criu_is_the_reason(tmp_path: Path) -> None:
    """No criu MUST be told from one that fails."""
    with pytest.raises(CriuUnusableError, match=r"criu-unusable: (there is no /no/criu|it needs root)"):
        asyncio.run(detect(tmp_path / "trial", "/no/criu"))


def test_the_first_error_of_a_log(tmp_path: Path) -> None:
    """The first line with an error MUST be found, and none where there is none."""
    log = tmp_path / "log"
    assert CriuError.first_line(log) == ""
    log.write_text("(00.1) Warn  (a.c:1): careful\n")
    assert CriuError.first_line(log) == ""
    helper = "(00.2) Error (util.c:6): exited, status=1\n"
    log.write_text(f"(00.1) Info\n{helper}(00.3) Error (b.c:2): first\n(00.4) Error (c.c:3): second\n")
    assert CriuError.first_line(log) == "(b.c:2): first"
