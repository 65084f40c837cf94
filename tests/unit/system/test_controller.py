"""The controller as a process, on a script that behaves like one, or does not."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import cast

import psutil
import pytest

from fixtures import ownedprocess
from fixtures.errors import StartError
from fixtures.kube.client import Api
from fixtures.limits import Limits
from fixtures.processes import marked_processes
from fixtures.sandboxes import Controller, ControllerLog
from fixtures.system.agent_sandbox import controller
from fixtures.system.agent_sandbox.controller import ControllerProcess, known_flags

#: Seconds for what a process does at once, also on a busy machine.
SOON = 20.0

#: A controller whose behaviour is chosen by files beside its kubeconfig.
SCRIPT = f"""#!{sys.executable} -SE
import os, socket, signal, sys
flags = dict(a[2:].split("=", 1) for a in sys.argv[1:] if "=" in a)
here = os.path.dirname(flags["kubeconfig"])
asked = lambda what: os.path.exists(os.path.join(here, what))
print("starting", *sys.argv[1:], flush=True)
if asked("exits"):
    for number in range(9):
        print("line", number)
    sys.exit("no matches for kind SandboxClaim")
if asked("clashes"):
    os.rename(os.path.join(here, "clashes"), os.path.join(here, "clashed"))
    sys.exit("listen tcp 127.0.0.1:1: bind: address already in use")
if asked("always-clashes"):
    sys.exit("listen tcp 127.0.0.1:1: bind: address already in use")
def term(*_):
    print("got SIGTERM", flush=True)
    if not asked("stubborn"):
        sys.exit(0)
signal.signal(signal.SIGTERM, term)
host, port = flags["health-probe-bind-address"].split(":")
server = socket.create_server((host, int(port)))
while True:
    connection, _ = server.accept()
    path = connection.recv(4096).split(b" ")[1]
    ready = path == b"/readyz" and not asked("unready")
    status = b"200 OK" if ready else b"503 Busy"
    print("asked for", path.decode(), flush=True)
    connection.sendall(b"HTTP/1.0 " + status + b"\\r\\n\\r\\n")
    connection.close()
"""

HELP = """Usage of {name}:
  -cluster-domain string
    \tDomain. (default "cluster.local")
  -enable-webhook
    \tServe the webhook, see --not-a-flag.
  --extensions
    \tEnable extensions.
  -zap-log-level value
    \tLevel. One of 'debug', -v
"""


def script(path: Path, text: str) -> Path:
    """An executable file."""
    path.write_text(text)
    path.chmod(0o755)
    return path


def helper(path: Path, text: str, *, stream: int = 2) -> Path:
    """A binary that prints `text` for --help, as Go's flag package does, and exits with 2."""
    path.with_suffix(".txt").write_text(text)
    return script(
        path, f'#!/bin/sh\n[ "$1" = --help ] || exit 9\ncat "{path.with_suffix(".txt")}" >&{stream}\nexit 2\n'
    )


class TestKnownFlags:
    """`known_flags`: what the binary itself says."""

    @pytest.mark.parametrize("stream", [1, 2])
    def test_the_flags_that_help_lists(self, tmp_path: Path, stream: int) -> None:
        """Flags MUST be found on either stream, with one hyphen or two, and nothing else for one."""
        binary = helper(tmp_path / "controller", HELP, stream=stream)

        assert known_flags(binary) == {"cluster-domain", "enable-webhook", "extensions", "zap-log-level"}

    def test_another_binary(self, tmp_path: Path) -> None:
        """A binary without the flag `extensions` MUST be refused, with the option that names it."""
        binary = helper(tmp_path / "other", HELP.replace("--extensions", "--other"))

        with pytest.raises(StartError) as caught:
            known_flags(binary)

        assert str(caught.value) == (
            f"{binary} is not an agent-sandbox-controller: its --help lists no flag 'extensions'. "
            "Give the controller's binary to --controller path:FILE."
        )

    @pytest.mark.parametrize("content", [None, b"\x7fELF but not for this machine"])
    def test_a_binary_that_does_not_run(self, tmp_path: Path, content: bytes | None) -> None:
        """A missing file and one of another machine MUST be refused as such."""
        binary = tmp_path / "controller"
        if content is not None:
            binary.write_bytes(content)
            binary.chmod(0o755)

        with pytest.raises(StartError, match="--help does not run: .*Is it built for this machine"):
            known_flags(binary)

    def test_the_machines_cluster_stays_unknown(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The ambient KUBECONFIG MUST NOT reach the binary."""
        monkeypatch.setenv("KUBECONFIG", "/somebody/elses")
        binary = script(
            tmp_path / "controller", '#!/bin/sh\necho "  -extensions"\necho "  -k${KUBECONFIG:-none}"\n'
        )

        assert known_flags(binary) == {"extensions", "knone"}


@pytest.fixture
def process(tmp_path: Path) -> Iterator[ControllerProcess]:
    """A controller that has not been started; whatever of it runs at the end is killed."""
    made = ControllerProcess(
        name="controller",
        folder=tmp_path / "folder",
        cluster=tmp_path,
        binary=script(tmp_path / "controller", SCRIPT),
        flags=frozenset({"extensions", "leader-elect", "zap-encoder"}),
        kubeconfig=tmp_path / "kubeconfig",
        ready_limit=SOON,
    )
    made.folder.mkdir()
    yield made
    for record in marked_processes(str(made.folder.parent)):
        record.end(0)


@pytest.fixture
def asks(process: ControllerProcess) -> Callable[[str], None]:
    """Chooses a behaviour of the script: exits, clashes, always-clashes, stubborn, unready."""
    return lambda what: (process.kubeconfig.parent / what).write_text("")


def running(process: ControllerProcess) -> list[int]:
    """Process ids of this test's controllers."""
    return [record.pid for record in marked_processes(str(process.folder.parent))]


def pid(process: ControllerProcess) -> int:
    """Process id of the last start."""
    assert process.record is not None
    return process.record.pid


class TestStarting:
    """`start`."""

    def test_it_runs_when_start_returns(self, process: ControllerProcess) -> None:
        """After `start` it MUST have said that it is ready, with only the flags that it knows."""
        assert not process.running

        process.start(["--extra=1"])

        assert process.running
        assert running(process) == [pid(process)]
        assert "asked for /readyz" in process.text()
        assert process.record is not None
        command = process.record.command
        assert command[:5] == (
            str(process.binary),
            f"--kubeconfig={process.kubeconfig}",
            "--extensions=true",
            "--leader-elect=false",
            "--zap-encoder=json",
        )
        assert command[-1] == "--extra=1"

    def test_what_never_ran_can_be_ended(self, process: ControllerProcess) -> None:
        """Ending what never ran MUST be no error."""
        process.kill()
        process.stop()
        process.pause()
        process.resume()

        assert not process.running
        assert process.text() == ""

    def test_any_process_of_the_run_can_act_on_it(self, process: ControllerProcess) -> None:
        """A second object of the same folder (a worker's) MUST see and end the same process."""
        process.start()
        same = replace(process)

        assert same.running
        same.kill()

        assert not process.running

    def test_two_at_once_are_refused(self, process: ControllerProcess) -> None:
        """A second start MUST be refused and leave the first one running."""
        process.start()
        first = pid(process)

        with pytest.raises(StartError, match="the controller .* runs already; stop it first"):
            process.start()

        assert running(process) == [first]

    def test_one_that_exits(self, process: ControllerProcess, asks: Callable[[str], None]) -> None:
        """A controller that exits MUST be reported with the last lines of its log, at once."""
        asks("exits")

        with pytest.raises(StartError) as caught:
            process.start()

        lines = str(caught.value).splitlines()
        assert lines[0] == f"the controller {process.binary} exited. Its last lines:"
        assert len(lines) == 1 + ownedprocess.TELLING
        assert "no matches for kind SandboxClaim" in lines
        assert not process.running

    def test_only_its_own_lines_are_quoted(
        self, process: ControllerProcess, asks: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Lines of an earlier start MUST NOT be quoted."""
        # One short start, or its own lines alone would push out the earlier one.
        monkeypatch.setattr(controller, "ATTEMPTS", 1)
        process.log.write_text("from before\n")
        asks("always-clashes")

        with pytest.raises(StartError) as caught:
            process.start()

        assert "from before" not in str(caught.value)

    def test_one_that_never_becomes_ready(
        self, process: ControllerProcess, asks: Callable[[str], None]
    ) -> None:
        """A controller that does not become ready MUST be ended, and the last reply named."""
        asks("unready")
        impatient = replace(process, ready_limit=0.3)

        with pytest.raises(StartError, match=r"was not ready after 0 s \(.+\)\. Its last lines:"):
            impatient.start()

        assert running(process) == []

    def test_a_lost_race_for_a_port_is_repeated(
        self, process: ControllerProcess, asks: Callable[[str], None]
    ) -> None:
        """A start that lost its port MUST be tried again with new ports."""
        asks("clashes")

        process.start()

        assert process.running
        starts = [line for line in process.text().splitlines() if line.startswith("starting")]
        assert len(starts) == 2
        assert starts[0] != starts[1]

    def test_a_race_that_is_always_lost(
        self, process: ControllerProcess, asks: Callable[[str], None]
    ) -> None:
        """The attempts MUST end, with the reason."""
        asks("always-clashes")

        with pytest.raises(StartError, match="address already in use"):
            process.start()

        assert process.text().count("starting") == controller.ATTEMPTS

    def test_an_interruption_leaves_nothing(
        self, process: ControllerProcess, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Ctrl-C while it starts MUST leave no process."""

        def interrupted(*_: object) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr(controller, "answers", interrupted)

        with pytest.raises(KeyboardInterrupt):
            process.start()

        assert running(process) == []


class TestStartingForATest:
    """`Controller.start`: what a test with the controller for itself may ask for."""

    @pytest.fixture
    def handle(self, process: ControllerProcess, monkeypatch: pytest.MonkeyPatch) -> Controller:
        """The handle of a running controller that answers every canary."""
        monkeypatch.setattr("fixtures.sandboxes.canary.answered", lambda *_: True)
        process.start()
        return Controller(process, cast("Api", None), Limits())

    def test_flags_are_added_and_taken_back(self, process: ControllerProcess, handle: Controller) -> None:
        """Other flags MUST lead to another process, with them behind the usual ones, until the next start."""
        usual = pid(process)

        handle.start("--zap-encoder=console", "--leader-elect=true")

        flagged = pid(process)
        assert running(process) == [flagged] != [usual]
        assert process.extra == ("--zap-encoder=console", "--leader-elect=true")

        handle.start()

        assert running(process) == [pid(process)] != [flagged]
        assert process.extra == ()

    def test_a_configuration_mutant_has_the_last_word(
        self, process: ControllerProcess, handle: Controller
    ) -> None:
        """Within `mutated` every start MUST run with the changed flags, a second controller's too."""
        with handle.mutated(lambda flags: (*flags, "--leader-elect=never")):
            assert process.extra == ("--leader-elect=never",)

            handle.start("--leader-elect=true")
            handle.beside().start()

            assert process.extra == ("--leader-elect=true", "--leader-elect=never")
            assert process.beside().extra == ("--leader-elect=never",)

        handle.start()

        assert process.extra == ()

    def test_what_it_says_of_flags_that_it_refuses(
        self, process: ControllerProcess, handle: Controller, asks: Callable[[str], None]
    ) -> None:
        """`refusal_of` MUST give what a controller wrote that ends, and nothing of one that runs."""
        second = handle.beside()
        assert second.refusal_of("--not-a-flag=1") == ""

        second.kill()
        asks("exits")

        assert second.refusal_of("--not-a-flag=1").endswith("no matches for kind SandboxClaim\n")
        assert running(process) == [pid(process)]

    @pytest.mark.parametrize("flags", [(), ("--zap-encoder=console",)])
    def test_the_same_flags_cost_no_restart(
        self, process: ControllerProcess, handle: Controller, flags: tuple[str, ...]
    ) -> None:
        """A controller that runs as asked MUST be left running, and act again if it was paused."""
        handle.start(*flags)
        before = pid(process)
        handle.pause()

        handle.start(*flags)

        assert pid(process) == before
        wait_for(lambda: psutil.Process(before).status() != psutil.STATUS_STOPPED)

    def test_a_flag_that_the_binary_lacks(self, process: ControllerProcess, handle: Controller) -> None:
        """An unlisted flag MUST be refused by name, and the running controller left alone."""
        before = pid(process)

        with pytest.raises(StartError) as caught:
            handle.start("--leader-elect=true", "--refill=0")

        assert str(caught.value) == (
            "the controller has no flag --refill; the test's marker must declare the feature that brings it."
        )
        assert running(process) == [before]


class TestEnding:
    """`stop`, `kill`, `pause`, `resume` and the log."""

    def test_stop_lets_it_end_by_itself(self, process: ControllerProcess) -> None:
        """SIGTERM MUST come first, and a restart be possible afterwards."""
        process.start()
        first = pid(process)

        process.stop()

        assert not process.running
        assert process.text().endswith("got SIGTERM\n")
        process.start()
        assert process.running
        assert pid(process) != first

    def test_stop_kills_a_stubborn_one(
        self, process: ControllerProcess, asks: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """After the grace period SIGKILL MUST follow; `stop` returns when it is gone."""
        monkeypatch.setattr(controller, "STOP_GRACE", 0.3)
        asks("stubborn")
        process.start()

        process.stop()

        assert not process.running
        assert process.text().endswith("got SIGTERM\n")

    def test_kill_gives_no_warning(self, process: ControllerProcess) -> None:
        """A crash MUST NOT reach the signal handler."""
        process.start()

        process.kill()

        assert not process.running
        assert "SIGTERM" not in process.text()

    def test_a_paused_one_does_nothing_until_resumed(self, process: ControllerProcess) -> None:
        """A paused controller MUST be stopped but alive, and go on afterwards."""
        process.start()
        stopped = psutil.Process(pid(process))

        process.pause()
        wait_for(lambda: stopped.status() == psutil.STATUS_STOPPED)
        assert process.running

        process.resume()
        wait_for(lambda: stopped.status() != psutil.STATUS_STOPPED)
        assert process.running

    def test_a_paused_one_can_be_killed(self, process: ControllerProcess) -> None:
        """A paused controller MUST die from `kill`."""
        process.start()
        process.pause()

        process.kill()

        assert not process.running

    def test_a_paused_one_can_be_stopped(self, process: ControllerProcess) -> None:
        """A paused controller MUST end by SIGTERM, without waiting for its grace period."""
        process.start()
        process.pause()

        began = time.monotonic()
        process.stop()

        assert not process.running
        assert time.monotonic() - began < controller.STOP_GRACE / 2

    def test_the_log_from_a_position_on(self, process: ControllerProcess) -> None:
        """`text` MUST give what was written after `size`, over restarts, whatever the bytes."""
        process.start()
        process.kill()
        position = process.size()
        with process.log.open("ab") as log:
            log.write(b"broken \xff byte\n")
        process.start()

        written = process.text(position)

        assert written.startswith("broken � byte\nstarting")
        assert written.count("starting") == 1


def wait_for(what: Callable[[], bool]) -> None:
    """Return once it is true. Fails if it does not become so soon."""
    deadline = time.monotonic() + SOON
    pause = threading.Event()
    while not what():
        assert time.monotonic() < deadline, "never happened"
        pause.wait(0.01)


def test_a_record_of_a_process_that_died_unseen(process: ControllerProcess) -> None:
    """A controller that was killed by somebody else MUST NOT count as running."""
    process.start()
    os.kill(pid(process), signal.SIGKILL)

    wait_for(lambda: not process.running)


def test_a_second_one_runs_beside_the_first(process: ControllerProcess) -> None:
    """A second controller MUST have a record and a log of its own, and belong to the same cluster."""
    second = process.beside()
    process.start()
    second.start()

    assert sorted(running(process)) == sorted([pid(process), pid(second)])
    assert "asked for /readyz" in second.text()

    second.kill()

    assert not second.running
    assert running(process) == [pid(process)]


def test_what_it_wrote_about_one_namespace(process: ControllerProcess) -> None:
    """Only lines MUST count that were written since, are about the namespace, and contain every text."""
    line = '{{"msg": "adopted", "SandboxClaim": {{"name": "c", "namespace": "{}"}}}}\n'
    process.log.write_text(line.format("ns"))
    log = ControllerLog(process, "ns")
    with process.log.open("a") as stream:
        stream.write(line.format("ns") + line.format("other") + line.format("ns-2") + line.format("ns"))

    assert log.count_lines("adopted") == log.count_lines('"c"', "adopted") == 2
    assert log.count_lines("adopted", "refused") == 0
    assert ControllerLog(None, "ns").count_lines("adopted") == 0
