"""The generator, its journal and its transport together against the fake API server, on the real clock.

Nothing here is about how long something takes, only about what is seen and counted.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from aiohttp import web

from fixtures.journal import Journal
from fixtures.journal.background import background
from fixtures.kube.client import Api
from fixtures.kube.kinds import CLAIM, NAMESPACE, WARM_POOL
from fixtures.load.fakecontroller import Settings
from fixtures.load.fakeserver import FakeServer
from fixtures.load.generator import KINDS, Generator
from fixtures.load.schedule import burst, constant
from fixtures.system.agent_sandbox.views import VIEWS
from tests.unit.conformance.conftest import hear_sigint
from tests.unit.load.virtual import Quiet
from tests.unit.load.webserver import web_server

#: Seconds for what works at once, also on a busy machine.
SOON = 20.0


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FakeServer]:
    """One fake API server for all tests here, each with a namespace of its own."""
    with FakeServer(tmp_path_factory.mktemp("fakeserver")) as running:
        yield running


@contextmanager
def load_on(server: FakeServer, namespace: str, pool_size: int = 20) -> Iterator[tuple[Generator, Journal]]:
    """A namespace with a pool, a journal on it, and a generator that is open."""
    with Api(server.connection, "unit") as api:
        api.create(NAMESPACE, {"metadata": {"name": namespace}})
        api.create(WARM_POOL, {"metadata": {"name": "pool"}, "spec": {"replicas": pool_size}}, namespace)
    journal = Journal(server.connection, namespace, KINDS, "asc-load::unit", VIEWS).open(SOON)
    try:
        generator = Generator(server.connection, namespace, "pool", journal, run_id="unit", noise=Quiet())
        with generator:
            yield generator, journal
    finally:
        journal.close()


def test_a_load_is_seen_from_end_to_end(server: FakeServer) -> None:
    """Each claim MUST be followed from its POST to its deletion, on connections that were open before."""
    with load_on(server, "whole") as (generator, journal):
        repetition = generator.offer(constant(100, 20))
        assert generator.delete_all() == 0
        instrument = repetition.instrument

        assert len(repetition.claims) == 20
        for record in repetition.claims:
            assert record.error is None and record.certain, record
            stamps = [record.t_call_ns, record.t_bind_ns, record.t_ready_ns, record.t_delete_ns]
            stamps.append(record.t_deleted_ns)
            assert None not in stamps and stamps == sorted(stamps), record  # type: ignore[type-var]
            assert (record.launch_type, record.node != "", record.first_ready_at != "") == (
                "warm",
                True,
                True,
            )
            # The server makes a claim Ready 50 ms after it has the POST, never before.
            assert record.t_ready_ns - record.t_intended_ns > 49_900_000  # type: ignore[operator]
        assert len({record.sandbox_uid for record in repetition.claims}) == 20
        assert instrument.connections_opened_after_start == 0
        assert (instrument.disconnects, instrument.relists, instrument.gap_s) == (0, 0, 0.0)
        assert instrument.loop_lag_ns and instrument.watch_lag_ns and instrument.cpu_s > 0
        assert repetition.pool[-1].members_ready == 0
        assert max(sample.members_ready for sample in generator.pool_samples()) == 20
        assert journal.failure is None


def test_a_watch_that_is_closed_with_410_is_counted_and_marks_claims(server: FakeServer) -> None:
    """A relist in the middle MUST be counted, its gap too, and mark what was open; all claims are known."""
    server.set(Settings(ready_after_s=0.5))
    with load_on(server, "expiring") as (generator, journal):

        def close() -> None:
            eventually(lambda: generator.tracker.progress().arrived > 10)
            server.close_watches(CLAIM, expire=True)

        closer = threading.Thread(target=close)
        closer.start()
        repetition = generator.offer(constant(50, 100))
        closer.join()
        server.set(Settings())

        assert sum(journal.relists.values()) == repetition.instrument.relists == 1
        assert repetition.instrument.disconnects >= 1
        assert repetition.instrument.gap_s > 0
        assert [record.t_ready_ns for record in repetition.claims].count(None) == 0
        marked = [record for record in repetition.claims if not record.certain]
        assert 0 < len(marked) < 100


def test_claims_have_all_connections_to_themselves(tmp_path: Path) -> None:
    """Watches MUST be on connections of their own: all of the load's can carry a POST at one time."""
    connections = 6
    most = most_posts_at_once(tmp_path, connections)

    assert most == connections, f"only {most} of {connections} connections carried a POST at one time"


def most_posts_at_once(folder: Path, connections: int) -> int:
    """How many POSTs of claims a server can hold at one time while the journal watches."""
    state = {"held": 0, "most": 0}
    full = asyncio.Event()

    async def answer(request: web.Request) -> web.StreamResponse:
        if request.method == "GET" and "watch" in request.query:
            return await hold_watch(request)
        if request.method == "GET":
            return web.json_response({"metadata": {"resourceVersion": "1"}, "items": []})
        if request.method != "POST" or "sandboxclaims" not in request.path:
            return web.json_response({})
        state["held"] += 1
        state["most"] = max(state["most"], state["held"])
        if state["held"] == connections:
            full.set()
        with contextlib.suppress(TimeoutError):
            # Long enough for all that can come; it is waited for in vain only where some cannot.
            await asyncio.wait_for(full.wait(), 2.0)
        full.set()
        state["held"] -= 1
        return web.json_response({"reason": "Forbidden"}, status=403)

    with web_server(folder, answer) as server:
        running = server

        async def hold_watch(request: web.Request) -> web.StreamResponse:
            stream = web.StreamResponse()
            await stream.prepare(request)
            await running.ending.wait()
            return stream

        journal = Journal(server.connection, "asc-unit", KINDS, "unit", VIEWS).open(SOON)
        try:
            generator = Generator(
                server.connection,
                "asc-unit",
                "pool",
                journal,
                run_id="unit",
                noise=Quiet(),
                connections=connections,
            )
            with unheard_canary(generator), generator:
                generator.offer(burst(connections))
        finally:
            journal.close()
    return state["most"]


@contextmanager
def unheard_canary(generator: Generator) -> Iterator[None]:
    """Begin without the canary: this server has no events."""

    async def go_on(_: object) -> None:
        return None

    generator._hear_canary = go_on  # type: ignore[method-assign]
    yield


INTERRUPTED = """
import sys
from pathlib import Path
from fixtures.journal import Journal
from fixtures.kube.connection import Connection
from fixtures.load.generator import KINDS, Generator
from fixtures.load.schedule import constant

connection = Connection(Path(sys.argv[1]), "fake")
journal = Journal(connection, "interrupted", KINDS, "unit").open(20)
generator = Generator(connection, "interrupted", "pool", journal, run_id="unit").open()
sys.stdout.write("open\\n")
sys.stdout.flush()
try:
    generator.offer(constant(20, 100000))
except KeyboardInterrupt:
    made = len(generator.claims)
    generator.close()
    journal.close()
    sys.stdout.write(f"interrupted after {made} {made == len(generator.claims)}\\n")
"""


def test_ctrl_c_leaves_nothing_running(server: FakeServer) -> None:
    """SIGINT in the middle of a load MUST end it in order and at once: no claim is made afterwards."""
    with Api(server.connection, "unit") as api:
        api.create(NAMESPACE, {"metadata": {"name": "interrupted"}})
        api.create(WARM_POOL, {"metadata": {"name": "pool"}, "spec": {"replicas": 1}}, "interrupted")
        process = subprocess.Popen(
            [sys.executable, "-c", INTERRUPTED, str(server.connection.kubeconfig)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
            text=True,
            preexec_fn=hear_sigint,
        )
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "open\n"
            eventually(lambda: len(list(api.list(CLAIM, "interrupted"))) > 3)
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=SOON)
        finally:
            process.kill()
            process.wait()
        assert out.startswith("interrupted after ") and out.endswith(" True\n"), err
        assert process.returncode == 0
        made = int(out.split()[2])
        assert 3 < len(list(api.list(CLAIM, "interrupted"))) <= made


def eventually(what: Callable[[], bool]) -> None:
    """Return once `what` is true. Fails if it does not become so soon."""
    deadline = time.monotonic() + SOON
    pause = threading.Event()
    while not what():
        assert time.monotonic() < deadline, "never happened"
        pause.wait(0.02)


def test_nothing_is_left_on_the_loop(server: FakeServer) -> None:
    """After `close` the background loop MUST carry no task of the load."""
    with load_on(server, "tidy") as (generator, _):
        generator.offer(burst(3))

    async def others() -> list[str]:
        await asyncio.sleep(0.05)
        mine = asyncio.current_task()
        return [repr(task) for task in asyncio.all_tasks() if task is not mine]

    assert background().run(others(), SOON) == []
