"""A load without a cluster and without time: the clock jumps, and the system does as it is told."""

from __future__ import annotations

import asyncio
import math
import selectors
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from fixtures.journal.history import Entry, EntryType, History
from fixtures.journal.journal import Interruption
from fixtures.kube.connection import Connection
from fixtures.kube.kinds import CLAIM, CONFIG_MAP, SANDBOX, Kind
from fixtures.load.generator import KINDS, Generator
from fixtures.load.records import Noise
from fixtures.load.schedule import SECOND
from fixtures.load.transport import Reply
from fixtures.system.agent_sandbox.views import FIRST_OBSERVED, FIRST_READY, LAUNCH_TYPE
from tests.unit.journal.objects import Object, build, ready

NAMESPACE = "asc-unit"
POOL = "pool"
#: Seconds of real time for what a virtual load does at once.
SOON = 20.0


class _Jumping(selectors.DefaultSelector):
    """Where a loop would sleep, its clock jumps instead."""

    def __init__(self, clock: VirtualClock) -> None:
        super().__init__()
        self._clock = clock

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout is None or timeout <= 0:
            return super().select(timeout)
        found = super().select(0)
        if not found:
            self._clock.advance(timeout)
        return found


class VirtualClock:
    """Nanoseconds that pass only when the loop would sleep, or when a test says that something took time."""

    def __init__(self) -> None:
        self.ns = 1_000 * SECOND

    def __call__(self) -> int:
        return self.ns

    def advance(self, seconds: float) -> None:
        self.ns += max(math.ceil(seconds * SECOND), 1)


class _VirtualLoop(asyncio.SelectorEventLoop):
    def __init__(self, clock: VirtualClock) -> None:
        super().__init__(_Jumping(clock))
        self._clock = clock

    def time(self) -> float:
        return self._clock.ns / SECOND


class VirtualBackground:
    """Stands in for the journal's background loop."""

    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.loop = _VirtualLoop(self.clock)
        self._thread = threading.Thread(target=self.loop.run_forever)
        self._thread.start()

    def run(self, coroutine: Any, timeout: float) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(SOON)

    def stop(self) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()


class FakeJournal:
    """What a load needs of a journal, fed by the system below."""

    def __init__(self, clock: VirtualClock) -> None:
        self.kinds = KINDS
        self.history = History()
        self.interruptions: list[Interruption] = []
        self.relists: dict[Kind, int] = dict.fromkeys(KINDS, 0)
        self.failure: Exception | None = None
        self.last_error = ""
        self._clock = clock
        self._listeners: list[tuple[Callable[[Entry], None], Callable[[Interruption], None]]] = []

    def listen(
        self, on_entry: Callable[[Entry], None], on_interruption: Callable[[Interruption], None]
    ) -> Callable[[], None]:
        pair = (on_entry, on_interruption)
        self._listeners.append(pair)
        return lambda: self._listeners.remove(pair)

    def gap_seconds(self) -> float:
        return sum((i.ended or self._clock() / SECOND) - i.began for i in self.interruptions)

    def feed(self, type_: EntryType, kind: Kind, obj: Object, *, relisted: bool = False) -> None:
        entry = self.history.record(self._clock() / SECOND, kind, type_, obj, relisted=relisted)
        if entry is not None:
            for on_entry, _ in self._listeners:
                on_entry(entry)

    def interrupt(self, kind: Kind) -> None:
        self.interruptions.append(Interruption(kind, self._clock() / SECOND, "closed by the server"))
        self._tell()

    def resume(self) -> None:
        self.interruptions[-1].ended = self._clock() / SECOND
        self._tell()

    def _tell(self) -> None:
        for _, on_interruption in self._listeners:
            on_interruption(self.interruptions[-1])


@dataclass
class Ways:
    """How the system treats one claim; seconds from the arrival of the request."""

    ack: float = 0.005
    #: None: never.
    bind: float | None = 0.02
    ready: float | None = 0.05
    #: From Ready to the controller's own stamp; None: never written.
    stamp: float | None = 0.01
    status: int = 201
    reason: str = ""
    retry_after: float | None = None
    launch_type: str = "warm"
    #: Lies about whole seconds in lastTransitionTime, as every API server does.
    transition: str = "2026-01-01T00:00:00Z"


@dataclass
class FakeSystem:
    """A transport whose other end is the system: it answers, and what follows is heard by the journal."""

    clock: VirtualClock
    journal: FakeJournal
    ways: Callable[[int], Ways] = lambda _: Ways()
    #: How many requests can be under way at once; more wait their turn, as on connections.
    slots: int = 1000
    #: Called when the request for a claim arrives, with its place in the order of arrival.
    on_create: Callable[[int], None] = lambda _: None
    names: set[str] = field(default_factory=set)
    created: list[str] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)
    canary_writes: int = 0
    connections: int = 0
    opened_after_start: int = 0
    _version: int = 0
    _free: asyncio.Semaphore | None = None

    async def open(self, connections: int) -> None:
        self.connections = connections
        self._free = asyncio.Semaphore(self.slots)

    async def renew(self) -> None:
        pass

    async def close(self) -> None:
        pass

    async def get(self, path: str) -> Reply:
        return self._reply(200, self.clock())

    async def create(self, kind: Kind, namespace: str, body: bytes, *, dry_run: bool = False) -> Reply:
        if kind == CONFIG_MAP:
            return self._reply(201, self.clock())
        assert self._free is not None
        async with self._free:
            sent = self.clock()
            place = len(self.created)
            self.on_create(place)
            claim = orjson.loads(body)
            name = claim["metadata"]["name"]
            self.created.append(name)
            way = self.ways(place)
            if name in self.names:
                way = Ways(status=409, reason="AlreadyExists", bind=None, ready=None)
            uid = f"uid-{name}"
            if way.status < 300:
                self.names.add(name)
                self._live(name, uid, way)
            await asyncio.sleep(way.ack)
        return self._reply(way.status, sent, way.reason, {"metadata": {"uid": uid}}, way.retry_after)

    async def patch(self, kind: Kind, namespace: str, name: str, body: bytes) -> Reply:
        self.canary_writes += 1
        data = orjson.loads(body)["data"]
        self._later(0.001, EntryType.MODIFIED, CONFIG_MAP, name, data=data)
        return self._reply(200, self.clock())

    async def delete(self, kind: Kind, namespace: str, name: str) -> Reply:
        sent = self.clock()
        if kind == CLAIM:
            self.deleted.append(name)
            self.names.discard(name)
            self._later(0.01, EntryType.DELETED, CLAIM, name)
        await asyncio.sleep(0.005)
        return self._reply(200, sent)

    def _live(self, name: str, uid: str, way: Ways) -> None:
        """What happens to a claim that was created, event by event."""
        sandbox = f"box-{name}"
        self._later(0.0, EntryType.ADDED, CLAIM, name)
        bound = {"sandbox": {"name": sandbox, "podIPs": ["10.0.0.1"]}}
        observed = {FIRST_OBSERVED: "2026-01-01T00:00:00.000000001Z"}
        if way.bind is not None:
            self._later(
                way.bind,
                EntryType.MODIFIED,
                SANDBOX,
                sandbox,
                labels={LAUNCH_TYPE: way.launch_type},
                status={"nodeName": "node-a"},
            )
            self._later(way.bind, EntryType.MODIFIED, CLAIM, name, status=bound, annotations=observed)
        if way.ready is not None:
            status = {**bound, "conditions": ready(lastTransitionTime=way.transition)}
            self._later(way.ready, EntryType.MODIFIED, CLAIM, name, status=status, annotations=observed)
            if way.stamp is not None:
                stamped = {**observed, FIRST_READY: "2026-01-01T00:00:00.050000001Z"}
                moment = way.ready + way.stamp
                self._later(moment, EntryType.MODIFIED, CLAIM, name, status=status, annotations=stamped)

    def _later(self, seconds: float, type_: EntryType, kind: Kind, name: str, **fields: Any) -> None:
        def happen() -> None:
            self._version += 1
            data = fields.pop("data", None)
            obj = build(kind, name, self._version, **fields)
            self.journal.feed(type_, kind, {**obj, "data": data} if data else obj)

        asyncio.get_running_loop().call_later(seconds, happen)

    def _reply(
        self,
        status: int,
        sent: int,
        reason: str = "",
        body: Mapping[str, Any] | None = None,
        retry_after: float | None = None,
    ) -> Reply:
        return Reply(status, reason, body or {}, sent, self.clock(), retry_after)


class Quiet:
    """A noise meter of a machine that does nothing else."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def start(self) -> None:
        self.calls.append("start")

    def stop(self) -> Noise:
        self.calls.append("stop")
        return Noise(0.0, 0.0, 0.0, 0.0, 0.0)


@dataclass
class Virtual:
    """A generator on a virtual loop, with what is around it."""

    background: VirtualBackground
    journal: FakeJournal
    system: FakeSystem
    noise: Quiet
    generator: Generator

    @property
    def clock(self) -> VirtualClock:
        return self.background.clock


@contextmanager
def virtual_load(run_id: str = "unit", *, system: FakeSystem | None = None, **ways: Any) -> Iterator[Virtual]:
    """A generator that is open; `ways` are fields of FakeSystem, `system` lends its claims to this run."""
    background = VirtualBackground()
    journal = FakeJournal(background.clock)
    noise = Quiet()
    try:
        made = FakeSystem(background.clock, journal, **ways)
        if system is not None:
            made.names = system.names
        generator = Generator(
            Connection(Path("none"), "none"),
            NAMESPACE,
            POOL,
            journal,  # type: ignore[arg-type]
            run_id=run_id,
            noise=noise,
            transport=made,
            canary_transport=made,
            clock=background.clock,
            loop=background,  # type: ignore[arg-type]
        )
        with generator:
            yield Virtual(background, journal, made, noise, generator)
    finally:
        background.stop()
