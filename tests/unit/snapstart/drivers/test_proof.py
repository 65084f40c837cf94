"""The proof of a safe point, against build processes that say anything."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from reference.snapstart.drivers import proof
from reference.snapstart.drivers.driver import DriverError, Source
from reference.snapstart.drivers.proof import ProofLimits, Prover
from reference.snapstart.inject import sockets
from reference.snapstart.inject.frames import encode
from reference.snapstart.inject.messages import Capabilities, to_body

LIMITS = ProofLimits(ready_s=1.0, page_s=0.3, retries=3, backoff_s=0.02, poll_s=0.02)
SAFE: Mapping[str, Any] = {
    "safeToSnapshot": True,
    "userStateLoaded": False,
    "activeTasks": 0,
    "details": {"bootstrapComplete": True, "workspaceEmpty": True, "injectSocketListening": True},
}
LOADING = SAFE | {"safeToSnapshot": False, "details": {"bootstrapComplete": False, "workspaceEmpty": True}}


@dataclass
class FakeBuild:
    """A build process in this one: pages as listed (the last for ever), and an inject socket."""

    pages: list[tuple[int, str]]
    asked: int = 0
    greeting: bytes = field(default_factory=lambda: encode(to_body(Capabilities())))

    async def status(self, _request: web.Request) -> web.Response:
        """The next page."""
        self.asked += 1
        status, text = self.pages[min(self.asked, len(self.pages)) - 1]
        return web.Response(status=status, text=text)

    @asynccontextmanager
    async def serving(self, folder: Path, *, listens: bool = True) -> AsyncIterator[Source]:
        """Serve; where a driver finds it."""
        application = web.Application()
        application.add_routes([web.get("/runtime/status", self.status)])
        runner = web.AppRunner(application)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        path = folder / "inject.sock"

        async def greet(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(self.greeting)
            await writer.drain()
            writer.close()

        server = await asyncio.start_unix_server(greet, sock=sockets.listen(path)) if listens else None
        host, port = runner.addresses[0][:2]
        try:
            yield Source(os.getpid(), path, f"http://{host}:{port}/runtime/status")
        finally:
            if server is not None:
                server.close()
                await server.wait_closed()
            await runner.cleanup()


def refusal(build: FakeBuild, folder: Path, **options: Any) -> DriverError | None:
    """Why a build process is not proven safe; None if it is."""

    async def test() -> DriverError | None:
        async with build.serving(folder, **options) as source:
            try:
                await Prover(LIMITS).prove(source)
            except DriverError as err:
                return err
            return None

    return asyncio.run(test())


def page(**changes: Any) -> tuple[int, str]:
    """A status page, safe but for the changes."""
    details = {**SAFE["details"], **changes.pop("details", {})}
    return 200, json.dumps({**SAFE, **changes, "details": details})


@pytest.fixture(autouse=True)
def one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """This process plays the build process, and may have threads of its own."""
    monkeypatch.setattr(proof, "threads_of", lambda _pid: 1)


def test_threads_are_counted_from_outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """More than one thread MUST be no safe point, whatever the page says."""
    monkeypatch.setattr(proof, "threads_of", lambda _pid: 2)
    err = refusal(FakeBuild([page()]), tmp_path)
    assert err is not None
    assert (err.reason, str(err)) == ("SafePointNotProven", "the build process has 2 threads, not one")


def test_a_safe_process_is_proven_safe(tmp_path: Path) -> None:
    """A process that says so, has one thread and listens MUST be proven safe by one look."""
    build = FakeBuild([page()])
    assert refusal(build, tmp_path) is None
    assert build.asked == 1


def test_a_process_that_loads_is_waited_for(tmp_path: Path) -> None:
    """A process that still loads MUST be asked again until it is safe."""
    build = FakeBuild([(200, json.dumps(LOADING))] * 5 + [page()])
    assert refusal(build, tmp_path) is None
    assert build.asked == 6


def test_a_process_that_loads_for_ever_is_given_up(tmp_path: Path) -> None:
    """Loading MUST end within the limit."""
    began = time.monotonic()
    err = refusal(FakeBuild([(200, json.dumps(LOADING))]), tmp_path)
    assert err is not None
    assert err.reason == "SafePointNotProven"
    assert "not at a safe point within 1.0 s: it still loads" in str(err)
    assert 0.5 < time.monotonic() - began < 2.0


@pytest.mark.parametrize(
    "bad",
    [
        (404, "not found"),
        (500, json.dumps(SAFE)),
        (200, "<html>"),
        (200, "[]"),
        (200, "null"),
        (200, "[" * 60_000),
        (200, "{}"),
        (200, json.dumps({"safeToSnapshot": True})),
        (200, json.dumps({**SAFE, "safeToSnapshot": "yes"})),
        page(safeToSnapshot=False),
    ],
    ids=["404", "500", "HTML", "list", "null", "deep", "empty", "no details", "a word", "never safe"],
)
def test_a_senseless_page_is_asked_for_three_times_more(bad: tuple[int, str], tmp_path: Path) -> None:
    """A persistent 404, 500 or page without sense MUST fail after the retries, a passing one MUST NOT."""
    persistent = FakeBuild([bad])
    err = refusal(persistent, tmp_path)
    assert err is not None
    assert (err.reason, persistent.asked) == ("StatusUnavailable", 4)
    passing = FakeBuild([bad, bad, page()])
    assert refusal(passing, tmp_path) is None
    assert passing.asked == 3


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"userStateLoaded": True}, "user state is loaded"),
        ({"activeTasks": 2}, "2 tasks are active"),
        ({"activeTasks": None}, "None tasks are active"),
        ({"details": {"workspaceEmpty": False}}, "the workspace is not empty"),
        ({"userStateLoaded": True, "activeTasks": 1}, "user state is loaded, 1 tasks are active"),
    ],
)
def test_a_contaminated_process_is_refused_at_once(
    changes: dict[str, Any], complaint: str, tmp_path: Path
) -> None:
    """Contamination MUST be final, even where the process calls itself safe."""
    build = FakeBuild([page(**changes)])
    err = refusal(build, tmp_path)
    assert err is not None
    assert (err.reason, build.asked) == ("Contaminated", 1)
    assert complaint in str(err)


@pytest.mark.parametrize(
    ("greeting", "complaint"),
    [
        (b"", "the runtime has hung up"),
        (b"\xff" * 8, "4294967295 bytes is announced"),
        (encode(to_body(Capabilities("2"))), "protocol version '2'"),
        (encode(to_body(Capabilities("1", ("cancel",)))), "lacks commit, prepare"),
    ],
)
def test_a_process_that_cannot_be_injected_is_refused(
    greeting: bytes, complaint: str, tmp_path: Path
) -> None:
    """An inject socket that does not speak the protocol MUST be no safe point, whatever the page says."""
    err = refusal(FakeBuild([page()], greeting=greeting), tmp_path)
    assert err is not None
    assert err.reason == "SafePointNotProven"
    assert complaint in str(err)


def test_a_process_that_does_not_listen_is_refused(tmp_path: Path) -> None:
    """A safe point without an inject socket MUST NOT count."""
    err = refusal(FakeBuild([page()]), tmp_path, listens=False)
    assert err is not None
    assert "nobody listens at" in str(err)


def test_the_socket_of_another_process_is_refused(tmp_path: Path) -> None:
    """The process that listens MUST be the one that is to be captured."""

    async def test() -> None:
        async with FakeBuild([page()]).serving(tmp_path) as source:
            await Prover(LIMITS).prove(Source(os.getppid(), source.inject_socket, source.status_url))

    with pytest.raises(DriverError, match="listens at the inject socket"):
        asyncio.run(test())


def test_a_process_that_is_gone_is_refused_at_once(tmp_path: Path) -> None:
    """A process that does not exist MUST be told from one that is not ready."""
    source = Source(2**22 - 1, tmp_path / "none", "http://127.0.0.1:9/runtime/status")
    with pytest.raises(DriverError, match="is not running"):
        asyncio.run(Prover(LIMITS).prove(source))
