"""Processes that any process of the run may end, and none that it must not."""

from __future__ import annotations

import ipaddress
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from fixtures.processes import (
    HELD,
    PORTS,
    ProcessRecord,
    clean_environment,
    free_network,
    free_port,
    marked_processes,
    start_detached,
)
from tests.unit.cluster.conftest import SOON, eventually

Start = Callable[..., ProcessRecord]

STUBBORN = """
import pathlib, signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: None)
pathlib.Path(sys.argv[1]).touch()
while True:
    time.sleep(600)
"""


def test_a_running_process_is_known_by_its_record(start: Start) -> None:
    """A record MUST stand for the process as long as it runs, and not longer."""
    record = start()

    assert record.alive
    assert record.process() is not None
    record.end(5)
    assert not record.alive
    assert record.wait(0)


def test_a_reused_id_is_not_the_process(start: Start) -> None:
    """A process of the same id that started at another time MUST NOT be taken for it, nor be ended."""
    running = start()
    earlier = replace(running, started=running.started - 60)

    assert not earlier.alive
    earlier.end(1)
    earlier.send(signal.SIGKILL)

    assert earlier.wait(0)
    assert running.alive


def test_a_zombie_has_ended() -> None:
    """A process that has ended but was not waited for by its parent MUST count as ended."""
    child = subprocess.Popen([sys.executable, "-S", "-c", "input()"], stdin=subprocess.PIPE)
    record = ProcessRecord.of(child.pid)
    assert record.alive

    assert child.stdin is not None
    child.stdin.close()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)

    assert not record.alive
    record.end(1)
    child.wait()


def test_a_record_survives_a_file(tmp_path: Path, start: Start) -> None:
    """What is saved MUST be read back equal, replacing the old file; without a file there is no record."""
    path = tmp_path / "process.json"
    assert ProcessRecord.load(path) is None
    first, second = start("import time; time.sleep(600)", "ä b"), start()

    first.save(path)
    assert ProcessRecord.load(path) == first
    second.save(path)
    assert ProcessRecord.load(path) == second
    assert [p.name for p in tmp_path.glob("process.*json*")] == ["process.json"]
    assert list(tmp_path.glob("*.tmp")) == []


def test_ending_gently(tmp_path: Path, start: Start) -> None:
    """SIGTERM MUST come first."""
    code = (
        "import pathlib, signal, sys, time\n"
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(pathlib.Path(sys.argv[2]).touch()))\n"
        "pathlib.Path(sys.argv[1]).touch()\n"
        "time.sleep(600)"
    )
    record = start(code, str(tmp_path / "up"), str(tmp_path / "asked"))
    eventually((tmp_path / "up").exists)

    record.end(SOON)

    assert (tmp_path / "asked").exists()
    assert not record.alive


def test_ending_a_stubborn_one(tmp_path: Path, start: Start) -> None:
    """After the grace period SIGKILL MUST follow, also for a stopped process."""
    record = start(STUBBORN, str(tmp_path / "up"))
    eventually((tmp_path / "up").exists)
    record.send(signal.SIGSTOP)

    began = time.monotonic()
    record.end(0.2)

    assert time.monotonic() - began >= 0.2
    assert not record.alive


def test_what_has_ended_can_be_ended_again(start: Start) -> None:
    """Ending, signalling and waiting MUST NOT fail for a process that is gone."""
    record = start()
    record.end(0)

    record.end(1)
    record.send(signal.SIGTERM)
    assert record.wait(0)


def test_a_zombie_of_another_parent_is_not_waited_for(tmp_path: Path, start: Start) -> None:
    """A process that its parent never waits for (no init in a container) MUST NOT hold up who ends it."""
    code = (
        "import pathlib, subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-S', '-c', 'import time; time.sleep(600)'])\n"
        "pathlib.Path(sys.argv[1]).write_text(f'{child.pid}.')\n"
        "time.sleep(600)"
    )
    parent = start(code, str(tmp_path / "pid"))
    eventually(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text().endswith("."))
    record = ProcessRecord.of(int((tmp_path / "pid").read_text().rstrip(".")))

    began = time.monotonic()
    record.end(0)

    assert not record.alive
    assert time.monotonic() - began < 5
    assert parent.alive


def test_waiting_has_a_limit(start: Start) -> None:
    """`wait` MUST say whether the process has ended in time."""
    record = start()

    assert record.wait(0.05) is False
    assert record.alive


def test_output_goes_to_the_log(tmp_path: Path) -> None:
    """Both streams MUST be appended to the log, whose folder is made, and input be empty."""
    log = tmp_path / "new" / "folder" / "log"
    code = "import os, sys; print('out', os.getpid() == os.getsid(0)); print('err', file=sys.stderr); input()"
    for _ in range(2):
        record = start_detached([sys.executable, "-S", "-u", "-c", code], log, environment=dict(os.environ))
        assert record.wait(SOON)

    lines = log.read_text().splitlines()
    assert lines.count("out True") == 2
    assert lines.count("err") == 2
    assert "EOFError: EOF when reading a line" in lines


def test_a_program_that_is_not_there(tmp_path: Path) -> None:
    """A missing program MUST be an OSError."""
    with pytest.raises(FileNotFoundError):
        start_detached([str(tmp_path / "none")], tmp_path / "log", environment={})


def test_nothing_ambient_reaches_children(monkeypatch: pytest.MonkeyPatch) -> None:
    """Proxies, KUBECONFIG and POD_* MUST be taken out in any case; the rest stays, additions win."""
    for name in ("KUBECONFIG", "HTTPS_PROXY", "http_proxy", "no_proxy", "All_Proxy", "POD_NAME", "pod_ip"):
        monkeypatch.setenv(name, "ambient")
    monkeypatch.setenv("PODIUM", "stays")
    monkeypatch.setenv("CHANGED", "before")

    found = clean_environment({"CHANGED": "after", "KUBECONFIG": "given"})

    assert [v for v in found.values() if v == "ambient"] == []
    assert found["PODIUM"] == "stays"
    assert found["CHANGED"] == "after"
    assert found["KUBECONFIG"] == "given"
    assert os.environ["KUBECONFIG"] == "ambient"


def test_processes_are_found_by_their_mark(tmp_path: Path, start: Start) -> None:
    """Every process that carries the mark MUST be found, and no other: not one that mentions the folder."""
    inside = start(marked=tmp_path / "a")
    start(marked=tmp_path / "ab")
    start("import time; time.sleep(600)", f"--follow={tmp_path}/a/log")

    assert marked_processes(str(tmp_path / "a")) == [
        ProcessRecord(inside.pid, inside.started, inside.command)
    ]


def test_a_process_carries_its_mark_as_soon_as_it_is_started(tmp_path: Path) -> None:
    """Whoever ends marked processes MUST NOT miss one that was started a moment ago."""
    for _ in range(50):
        record = start_detached(
            [sys.executable, "-S", "-c", "import time; time.sleep(60)"],
            tmp_path / "log",
            environment={"A": "b"},
        )
        seen = Path(f"/proc/{record.pid}/environ").read_bytes()
        record.end(0)
        assert seen == b"A=b\0"


def test_free_ports() -> None:
    """Free ports MUST be ones that can be bound, each another one, and none that the kernel gives away."""
    low = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    found = [free_port() for _ in range(100)]
    assert len(set(found)) == 100
    assert max(found) < max(low, 32_768)
    with socket.create_server(("127.0.0.1", found[-1])):
        # The process begins anew.
        assert found[-1] not in {free_port() for _ in range(len(PORTS) - 100)}


def test_a_port_is_kept_while_its_program_is_away() -> None:
    """A port MUST NOT go to somebody else between the end of the program that has it and its next start."""
    port = free_port()
    with socket.socket() as somebody, pytest.raises(OSError, match="in use"):
        somebody.bind(("127.0.0.1", port))
    for _ in range(2):
        socket.create_server(("127.0.0.1", port)).close()


def test_old_ports_are_given_up() -> None:
    """A process that asks for many ports MUST NOT keep them all open."""
    port = free_port()
    for _ in range(HELD):
        free_port()
    with socket.socket() as somebody:
        somebody.bind(("127.0.0.1", port))


def test_neighbours_look_for_free_ports_elsewhere() -> None:
    """Two processes of a run MUST NOT be given the same port, which both find free."""
    code = "from fixtures.processes import free_port; print(*[free_port() for _ in range(50)])"
    runs = [subprocess.run([sys.executable, "-c", code], capture_output=True, check=True) for _ in range(4)]
    ports = [port for run in runs for port in run.stdout.split()]
    assert len(set(ports)) == 200


def test_networks_of_neighbours_are_apart() -> None:
    """Networks on loopback MUST be usable, each another one, and those of two processes MUST NOT meet."""
    code = "from fixtures.processes import free_network; print(*[free_network() for _ in range(20)])"
    runs = [subprocess.run([sys.executable, "-c", code], capture_output=True, check=True) for _ in range(4)]
    found = [network.decode() for run in runs for network in run.stdout.split()]
    found += [free_network() for _ in range(20)]
    assert len(set(found)) == 100
    for network in map(ipaddress.IPv4Network, found):
        assert network.is_loopback
        assert network.num_addresses == 256
    with socket.create_server((str(ipaddress.IPv4Network(found[0])[1]), 0)):
        pass
