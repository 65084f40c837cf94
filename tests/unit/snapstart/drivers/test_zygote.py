"""The zygote driver on real processes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from fixtures.processes import ProcessRecord
from fixtures.system.snapstart.drivers.bench import Bench, Process
from fixtures.system.snapstart.drivers.checks import CHECKS, Check
from fixtures.system.snapstart.drivers.kinds import ZYGOTE, template
from reference.snapstart.drivers.driver import Source

#: Seconds within which a template must have noticed that its driver is gone.
NOTICED = 5.0


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """A node with the zygote driver."""
    with Bench(ZYGOTE, tmp_path) as bench:
        yield bench


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_what_every_driver_must_do(check: Check, bench: Bench) -> None:
    """The zygote driver MUST pass every check of drivers."""
    check(bench)


@dataclass
class Crashed:
    """What a driver's process left behind that was killed."""

    folder: Path
    found: dict[str, Any]

    @property
    def session(self) -> Process:
        """The session that it had restored."""
        pid, address = self.found["session"]
        return Process(ProcessRecord.of(pid), address, self.folder, self.folder / "log")

    @property
    def source(self) -> Source:
        """The build process that it had captured."""
        pid, path, address = self.found["build"]
        return Source(pid, Path(path), f"http://{address}:8080/runtime/status")


def crash(folder: Path, before: signal.Signals | None = None) -> Crashed:
    """Let a driver make an artifact and a session, then kill it; its template gets a signal before."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.unit.snapstart.drivers.crashing", str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        found = json.loads(process.stdout.readline())
        if before is not None:
            os.kill(found["template"], before)
        process.kill()
    return Crashed(folder, found)


def ended(pid: int) -> bool:
    """Whether a process has ended, waited for a moment."""
    try:
        return ProcessRecord.of(pid).wait(NOTICED)
    except psutil.NoSuchProcess:
        return True


def test_sessions_outlive_the_process_of_their_driver_and_templates_do_not(tmp_path: Path) -> None:
    """A killed node MUST leave its sessions running, its templates ended, and no artifact."""
    crashed = crash(tmp_path)
    with Bench(ZYGOTE, tmp_path) as after:
        assert ended(crashed.found["template"])
        assert crashed.session.witness["boot_id"] == crashed.found["boot_id"]
        assert crashed.session.execute("1 + 1") == "2"
        assert after.run(after.driver.list()) == []
        assert after.inspect() is None


def test_a_template_that_does_not_notice_is_ended_by_the_next_driver(tmp_path: Path) -> None:
    """A template that hangs MUST NOT stay when its driver is started again; sessions MUST."""
    crashed = crash(tmp_path, before=signal.SIGSTOP)
    hanging = ProcessRecord.of(crashed.found["template"])
    assert hanging.alive
    with Bench(ZYGOTE, tmp_path):
        assert hanging.wait(NOTICED)
        assert crashed.session.execute("1 + 1") == "2"


def test_a_template_has_nothing_but_its_connection(bench: Bench) -> None:
    """A template MUST have one thread, a session of its own, no file, no workspace and no listener."""
    artifact = bench.create(bench.build(["numpy"]))
    process = psutil.Process(template(bench, artifact).pid)
    links = {str(link.readlink()).split(":")[0] for link in Path(f"/proc/{process.pid}/fd").iterdir()}
    assert links == {"/dev/null", "socket"}
    assert process.num_fds() == 4
    assert process.num_threads() == 1
    assert os.getsid(process.pid) == process.pid
    assert process.cwd() == "/"
    assert process.net_connections() == []


def test_a_killed_session_leaves_no_zombie(bench: Bench) -> None:
    """The end of a session MUST be taken notice of by whoever is its parent."""
    bench.create(bench.build())
    session = bench.restore()
    session.kill()
    deadline = time.monotonic() + NOTICED
    while psutil.pid_exists(session.record.pid):
        assert time.monotonic() < deadline, "it is still there"
        time.sleep(0.01)


def test_a_session_gets_no_answer_of_another(bench: Bench) -> None:
    """Restores that end in mid-handshake MUST NOT confuse those after them."""
    bench.create(bench.build())
    bench.run(bench.kind.hang(bench, bench.run(bench.driver.list())[0]))
    with pytest.raises(Exception, match="not started within"):
        bench.restore(limit_s=0.3)
    template(bench, bench.run(bench.driver.list())[0]).send(signal.SIGCONT)
    sessions = bench.restore_many(5)
    assert [one.witness["instance_id"] for one in sessions] == [one.instance_id for one in sessions]
    assert [one.witness["pid"] for one in sessions] == [one.record.pid for one in sessions]
