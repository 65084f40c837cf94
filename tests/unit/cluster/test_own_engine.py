"""The suite's own Docker daemon: started once, found by runs, ended; and what is said when it cannot be."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from fixtures.cluster import __main__ as command
from fixtures.cluster import ownengine
from fixtures.cluster.engine import Engine
from fixtures.errors import StartError

#: A dockerd: notes how it was started, then answers (`ready`) or ends.
DOCKERD = f"""#!{sys.executable} -SE
import pathlib, sys, time
here = pathlib.Path(__file__).parent
with open(here / "started", "a") as started:
    print(*sys.argv[1:], file=started)
if not (here / "ready").exists():
    sys.exit("failed to start daemon: no space")
(here / "answers").touch()
time.sleep(600)
"""

#: A docker that reaches it when it is up.
DOCKER = f"""#!{sys.executable} -SE
import os, pathlib, sys
here = pathlib.Path(__file__).parent
if not (here / "answers").exists():
    sys.exit(1)
if sys.argv[1] == "info":
    print('{{"ServerVersion": "24.0.5", "CgroupVersion": "2"}}')
"""


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder with a dockerd and a docker on a script; what was started is ended."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name, text in (("dockerd", DOCKERD), ("docker", DOCKER)):
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    (folder / "ready").touch()
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    yield folder
    ownengine.stop()


def test_it_is_started_once_and_found(programs: Path, tmp_path: Path) -> None:
    """A second start MUST find the first; runs MUST find it without $DOCKER_HOST, until it is ended."""
    host = ownengine.start(tmp_path / "data")

    assert ownengine.start() == host == f"unix://{ownengine.folder() / 'docker.sock'}"
    [started] = (programs / "started").read_text().splitlines()
    assert f"--data-root={tmp_path / 'data'}" in started
    # Nothing but its socket: a TCP port would be open to everybody on the machine.
    assert started.count("--host=") == 1
    assert Engine.find() == Engine("docker", host, "24.0.5", "2")

    assert ownengine.stop()
    assert ownengine.address() == ""
    assert not ownengine.stop()


@pytest.mark.parametrize(("may", "wrapped"), [(True, False), (False, True)])
def test_a_capability_that_the_host_withholds(
    programs: Path, monkeypatch: pytest.MonkeyPatch, may: bool, wrapped: bool
) -> None:
    """Only where root lacks CAP_SYS_RESOURCE the runtime that does not ask for it MUST be used."""
    monkeypatch.setattr(ownengine, "_may", lambda _: may)

    ownengine.start()

    assert ("--default-runtime=without" in (programs / "started").read_text()) is wrapped


def test_one_that_does_not_start(programs: Path) -> None:
    """Its last words MUST be quoted, with the log's place."""
    (programs / "ready").unlink()

    with pytest.raises(
        StartError, match=r"dockerd has ended\. Its last words: failed to start daemon: no sp"
    ):
        ownengine.start()

    assert ownengine.address() == ""


def test_not_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command MUST name the package and end with the exit code of what could not be started."""
    monkeypatch.setenv("PATH", str(tmp_path))

    assert command.main(["engine", "start"]) == 3

    assert "apt-get install docker.io" in capsys.readouterr().err


def test_another_user(programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever is not root MUST be told what else there is."""
    monkeypatch.setattr(os, "geteuid", lambda: 1000)

    with pytest.raises(StartError, match="has to be started by root"):
        ownengine.start()
