"""The runtime as a process: pages, safe point, injection in place."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from fixtures.system.snapstart.drivers.bench import PORT, Bench, Build, Process
from fixtures.system.snapstart.drivers.checks import Check
from fixtures.system.snapstart.drivers.kinds import ZYGOTE
from fixtures.system.snapstart.drivers.protocol import PROTOCOL_CHECKS
from reference.snapstart.inject import sockets
from reference.snapstart.inject.host import Host
from reference.snapstart.runtime.isolation import possible

#: Seconds within which a process that is told to end does.
END = 5.0


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """A place for runtimes."""
    with Bench(ZYGOTE, tmp_path) as bench:
        yield bench


@pytest.fixture
def build(bench: Bench) -> Build:
    """A build process at its safe point."""
    return bench.build(["numpy.random"])


def connected(process: Process) -> socket.socket:
    """A connection to a process that may not listen yet."""
    deadline = time.monotonic() + END
    while True:
        try:
            connection = socket.create_connection((process.address, PORT), timeout=END)
        except ConnectionRefusedError:
            # Nothing says when it listens.
            assert time.monotonic() < deadline
            time.sleep(0.01)
        else:
            return connection


def test_a_cold_session(bench: Bench) -> None:
    """A cold runtime MUST be a session with the identity it was started with."""
    session = bench.cold(["json"], context="cold-token")
    assert session.execute("(INSTANCE_ID, CONTEXT)") == "('cold-1', 'cold-token')"
    witness = session.witness
    assert (witness["instance_id"], witness["mode"], witness["pid"]) == ("cold-1", "cold", session.record.pid)
    assert witness["boot_id"]
    assert witness["preload_ns"] > 0
    assert session.status["safeToSnapshot"] is False
    assert session.execute("import os\nos.getcwd()") == repr(str(session.workspace))


def test_a_session_tells_when_it_accepted_its_first_connection(bench: Bench) -> None:
    """Not before it started, and the first one only; a build, whose memory becomes sessions, tells none."""
    build = bench.build(["json"])
    assert build.witness["accepted_ns"] is None
    bench.create(build)
    before = time.monotonic_ns()
    for session in (bench.cold(["json"]), bench.restore()):
        told = [session.witness for _ in range(2)]
        assert before < told[0]["started_ns"] < told[0]["accepted_ns"] < time.monotonic_ns()
        assert told[0]["accepted_ns"] == told[1]["accepted_ns"]


def test_a_safe_point(build: Build) -> None:
    """A build process MUST say that it is safe, and why; it has drawn nothing for a session [RW-6]."""
    assert build.status == {
        "safeToSnapshot": True,
        "userStateLoaded": False,
        "activeTasks": 0,
        "details": {
            "bootstrapComplete": True,
            "injectSocketListening": True,
            "threads": 1,
            "workspaceEmpty": True,
        },
    }
    witness = build.witness
    assert witness["boot_id"]
    assert (witness["mode"], witness["instance_id"], witness["random"]) == ("build", None, None)


def test_a_file_in_the_workspace_makes_it_unsafe(build: Build) -> None:
    """User files MUST be seen for as long as they are there [RW-6]."""
    (build.workspace / "file").touch()
    status = build.status
    assert (status["safeToSnapshot"], status["details"]["workspaceEmpty"]) == (False, False)
    (build.workspace / "file").unlink()
    assert build.status["safeToSnapshot"] is True
    build.workspace.rmdir()
    assert build.status["safeToSnapshot"] is False


def test_it_is_not_healthy_before_the_safe_point(bench: Bench) -> None:
    """While it loads it MUST answer, between two modules, and say that it is not ready."""
    (bench.folder / "waits.py").write_text(
        "import os, time\nwhile not os.path.exists(os.environ['GATE']): time.sleep(0.01)\n"
    )
    gate = bench.folder / "gate"
    build = bench.build(["waits"], environment={"GATE": str(gate)}, ready=False)
    with connected(build) as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\n\r\n")
        gate.touch()
        assert connection.recv(100).startswith(b"HTTP/1.1 503 ")


def test_pages_that_are_not_there(build: Build) -> None:
    """Other paths and methods MUST be refused by their usual status."""
    assert build.request("GET", "/nothing").status == 404
    assert build.request("GET", "/execute").status == 405
    assert build.request("POST", "/healthz").status == 405
    assert build.request("POST", "/execute", {"code": "1"}).status == 425


def test_a_silent_client_stops_nobody(build: Build) -> None:
    """Connections that send nothing, half a request or half a frame MUST NOT keep others waiting."""
    with (
        socket.create_connection((build.address, PORT)) as silent,
        socket.create_connection((build.address, PORT)) as half,
        sockets.connect(build.inject_socket) as host,
    ):
        half.sendall(b"GET /healthz HT")
        host.sendall(b"\0\0\0\x10{")
        assert build.status["safeToSnapshot"] is True
        half.sendall(b"TP/1.1\r\n\r\n")
        assert half.recv(100).startswith(b"HTTP/1.1 200 OK\r\n")
        assert silent.fileno() > 0


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET /healthz HTTP/1.1\r\nX: " + b"x" * 20_000, b"HTTP/1.1 431 "),
        (b"nonsense\r\n\r\n", b"HTTP/1.1 400 "),
        (b"\0\0\0\0\r\n\r\n", b"HTTP/1.1 400 "),
        (b"POST /execute HTTP/1.1\r\nContent-Length: 100000\r\n\r\n" + b"x" * 100_000, b"HTTP/1.1 425 "),
    ],
    ids=["long head", "no request", "binary", "long body"],
)
def test_garbage_requests_are_answered(build: Build, request_: bytes, status: bytes) -> None:
    """A client MUST get its answer whatever it sends, and the safe point MUST stay."""
    with socket.create_connection((build.address, PORT)) as connection:
        connection.settimeout(END)
        connection.sendall(request_)
        assert connection.recv(100).startswith(status)
    assert build.status["safeToSnapshot"] is True


def test_more_connections_than_it_keeps(build: Build) -> None:
    """Idle connections beyond the limit MUST make room, oldest first."""
    idle = [socket.create_connection((build.address, PORT)) for _ in range(300)]
    assert build.status["safeToSnapshot"] is True
    for connection in idle:
        connection.close()


@pytest.mark.parametrize("check", PROTOCOL_CHECKS, ids=lambda check: check.__name__)
def test_what_every_runtime_must_do(check: Check, bench: Bench) -> None:
    """The runtime MUST pass every check of the injection protocol."""
    check(bench)


def test_a_cancelled_runtime_ends(bench: Bench, build: Build) -> None:
    """After CANCEL it MUST end, and take its sockets along."""

    async def cancel() -> None:
        async with await Host.connect(build.inject_socket) as host:
            await host.capabilities()
            await host.cancel("no longer wanted")

    bench.run(cancel())
    assert build.record.wait(END)
    assert list(bench.folder.glob("*.sock*")) == []


def test_a_session_answers_while_code_runs(bench: Bench) -> None:
    """Health and witness MUST be answered while code runs, and code MUST run one after the other."""
    session = bench.cold()
    fifo = session.workspace / "fifo"
    os.mkfifo(fifo)
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(session.execute, "order = ['first']; open('fifo').read()")
        with fifo.open("w") as writer:
            second = pool.submit(session.execute, "order.append('second')")
            deadline = time.monotonic() + END
            while session.status["activeTasks"] < 2:
                assert time.monotonic() < deadline
            assert session.request("GET", "/healthz").status == 200
            assert not second.done()
            writer.write("done")
        assert waiting.result(END) == "'done'"
        second.result(END)
    assert session.execute("order") == "['first', 'second']"
    assert session.status["activeTasks"] == 0


def test_code_runs_in_the_main_thread(bench: Bench) -> None:
    """User code MUST be able to do what only the main thread may, and to start threads and processes."""
    session = bench.cold()
    code = (
        "import signal, subprocess, threading, asyncio\n"
        "signal.signal(signal.SIGUSR1, signal.SIG_IGN)\n"
        "(threading.current_thread() is threading.main_thread(), asyncio.run(asyncio.sleep(0, 'slept')), "
        "subprocess.run(['echo', 'out'], capture_output=True, text=True).stdout)"
    )
    assert session.execute(code) == r"(True, 'slept', 'out\n')"


@pytest.mark.parametrize("body", ["1", {}, {"code": 5}, ["code"]])
def test_what_is_no_code_is_refused(bench: Bench, body: object) -> None:
    """A request without code MUST be a 400, and the session goes on."""
    session = bench.cold()
    assert session.request("POST", "/execute", body).status == 400
    assert session.execute("1 + 1") == "2"


@pytest.mark.skipif(not possible(), reason="folders of one's own need root")
def test_folders_of_a_session_are_its_own(bench: Bench) -> None:
    """/tmp and /dev/shm MUST begin empty in every session; the workspace MUST be reached by its path."""
    sessions: list[Process] = [bench.cold(), bench.cold()]
    look = "import os, tempfile\n(sorted(os.listdir('/tmp')), os.listdir('/dev/shm'), tempfile.gettempdir())"
    for session in sessions:
        found = str(session.execute(look))
        top = (
            session.workspace.relative_to("/tmp").parts[0]
            if session.workspace.is_relative_to("/tmp")
            else None
        )
        assert found == f"({[top] if top else []!r}, [], '/tmp')"
        session.execute("open('/tmp/mine', 'w').close(); open('/dev/shm/mine', 'w').close()")
        session.execute(f"open({str(session.workspace / 'file')!r}, 'w').close()")
        assert (session.workspace / "file").exists()
    assert not Path("/tmp/mine").exists()


def test_a_module_that_is_missing_is_told(bench: Bench) -> None:
    """A preload that fails MUST end the runtime, with the cause in its log."""
    build = bench.build(["json", "no_such_module"], ready=False)
    assert build.record.wait(END)
    assert "No module named 'no_such_module'" in build.log.read_text()
