"""The process that can be written to disk, before it is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from fixtures.processes import ProcessRecord
from fixtures.system.snapstart.drivers.bench import Bench, Process
from fixtures.system.snapstart.drivers.kinds import ZYGOTE
from reference.snapstart.drivers.base import inject
from reference.snapstart.drivers.connection import Connection
from reference.snapstart.drivers.driver import DriverError, Launch
from reference.snapstart.inject.host import Host
from reference.snapstart.runtime import control

#: Seconds within which a process has noticed that its socket is gone.
NOTICED = 5.0


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """A place for runtimes."""
    with Bench(ZYGOTE, tmp_path) as bench:
        yield bench


def expose(bench: Bench, path: Path) -> control.Captured:
    """Have a process exposed that waits at a path."""
    build = bench.build(["numpy"])

    async def order() -> control.Captured:
        connection = Connection.to(build.inject_socket)
        try:
            captured = await connection.capture(control.Expose(str(path)))
            await connection.over()
            return captured
        finally:
            connection.close()

    return bench.run(order())


def start(bench: Bench, path: Path, launch: Launch) -> None:
    """Inject what waits at a path."""

    async def connected() -> None:
        async with await Host.connect(path) as host:
            await inject(host, launch)

    bench.run(connected())


def test_an_exposed_process_becomes_the_session_of_its_host(bench: Bench) -> None:
    """Probes MUST change nothing, a rejected PREPARE neither; then the session MUST be what was launched."""
    path = bench.folder / "exposed.sock"
    captured = expose(bench, path)

    async def probe() -> None:
        async with await Host.connect(path) as host:
            assert host.peer_pid == captured.pid
            await host.capabilities()

    for _ in range(3):
        bench.run(probe())
    launch = bench.launch(environment={"SESSION": "s"}, context="token")
    start(bench, path, launch)
    session = Process(ProcessRecord.of(captured.pid), launch.address, launch.workspace, launch.log)
    assert session.execute("import os\n(INSTANCE_ID, CONTEXT, os.environ['SESSION'])") == repr(
        (launch.instance_id, "token", "s")
    )
    assert session.witness["boot_id"] == captured.boot_id
    assert not psutil.Process(captured.pid).net_connections("unix")


def test_an_exposed_process_is_connected_to_nobody(bench: Bench) -> None:
    """It MUST have its listener and nothing else, and one thread: that is what can be dumped."""
    captured = expose(bench, bench.folder / "exposed.sock")
    process = psutil.Process(captured.pid)
    assert (process.num_fds(), process.num_threads(), process.cwd()) == (4, 1, "/")
    assert [connection.status for connection in process.net_connections("all")] == ["NONE"]


def test_an_exposed_process_ends_without_its_socket(bench: Bench) -> None:
    """What nobody can reach any more MUST end."""
    path = bench.folder / "exposed.sock"
    record = ProcessRecord.of(expose(bench, path).pid)
    path.unlink()
    assert record.wait(NOTICED)


def test_nothing_is_exposed_without_a_safe_point(bench: Bench) -> None:
    """A contaminated runtime MUST refuse, and say why."""
    build = bench.build()
    (build.workspace / "file").touch()

    async def order() -> None:
        connection = Connection.to(build.inject_socket)
        try:
            await connection.capture(control.Expose(str(bench.folder / "exposed.sock")))
        finally:
            connection.close()

    with pytest.raises(DriverError, match='refused: not at a safe point: .*"workspaceEmpty": false'):
        bench.run(order())
