"""Wrong load generators, each with one lie, and the self-tests that must notice it.

A mutant is a context manager that tells the lie while it is entered, and yields a list that gets an item
each time the lie made a difference.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import pytest

from fixtures.journal import Journal
from fixtures.journal.history import Entry
from fixtures.kube.kinds import Kind
from fixtures.load.generator import Generator
from fixtures.load.lines import Line, Lines
from fixtures.load.offering import Offering
from fixtures.load.records import ClaimRecord
from fixtures.load.schedule import SECOND, Schedule
from fixtures.load.tracker import Key, Tracker
from fixtures.load.transport import KeepAliveTransport, Reply
from tests.unit.load.mutants import Fired, Mutant
from tests.unit.load.virtual import FakeJournal


@contextmanager
def relative_sleep() -> Iterator[Fired]:
    """Each arrival is due one interval after the last one happened, so a late call moves all later ones."""
    fired = Fired()

    def begin(self: Offering, schedule: Schedule, start_ns: int) -> None:
        self._outstanding = len(schedule)
        gaps = [b - a for a, b in zip(schedule.offsets_ns, schedule.offsets_ns[1:], strict=False)]

        async def arrive() -> None:
            await asyncio.sleep(0.05)
            for idx, gap in zip(schedule.indices, [*gaps, 0], strict=True):
                fired()
                self._arrive_once(idx, self._clock())
                await asyncio.sleep(gap / SECOND)

        self._spawn(arrive())

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Offering, "_begin_arrivals", begin)
        yield fired


@contextmanager
def stamp_at_dequeue() -> Iterator[Fired]:
    """A claim is due when it gets its turn, so waiting for a turn is no part of its latency."""
    fired = Fired()
    answered = Tracker.answered

    def late(self: Tracker, key: Key, sent_ns: int, *rest: Any) -> None:
        fired()
        self._records[key].t_intended_ns = sent_ns
        answered(self, key, sent_ns, *rest)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Tracker, "answered", late)
        yield fired


@contextmanager
def ack_filter() -> Iterator[Fired]:
    """Events of a claim are dropped until its POST has been answered."""
    fired = Fired()
    observe = Tracker._observe_claim

    def filtered(self: Tracker, entry: Entry) -> ClaimRecord | None:
        record = self._records.get((entry.object.namespace, entry.object.name))
        if record is not None and record.t_ack_ns is None:
            fired()
            return None
        return observe(self, entry)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Tracker, "_observe_claim", filtered)
        yield fired


@contextmanager
def no_preopen() -> Iterator[Fired]:
    """Connections are opened by the first requests of the load."""
    fired = Fired()

    async def nothing(self: KeepAliveTransport, lines: Lines, connections: int) -> None:
        fired()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(KeepAliveTransport, "_use_all", nothing)
        yield fired


@contextmanager
def shared_pool() -> Iterator[Fired]:
    """Watches and requests share one pool of connections, of the size meant for the requests."""
    fired = Fired()
    watching: list[Kind] = []
    watch, room = Journal._watch, Lines.room

    async def counted(self: Journal, kind: Kind) -> None:
        watching.append(kind)
        try:
            await watch(self, kind)
        finally:
            watching.remove(kind)

    def what_is_left(self: Lines) -> int:
        fired(len(watching))
        # One stays, or it would wait for ever.
        return max(room(self) - len(watching), int(not self._lines and not self._opening))

    # Such a generator cannot open its connections before the load, for some of them are the watches'.
    with no_preopen(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(Journal, "_watch", counted)
        patch.setattr(Lines, "room", what_is_left)
        yield fired


@contextmanager
def get_in_watch() -> Iterator[Fired]:
    """Each event is followed by a GET that the loop waits for: 30 ms in which nothing else happens."""
    fired = Fired()
    feed = FakeJournal.feed

    def slow(self: FakeJournal, *arguments: Any, **more: Any) -> None:
        feed(self, *arguments, **more)
        fired()
        self._clock.advance(0.03)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FakeJournal, "feed", slow)
        yield fired


@contextmanager
def silent_reconnect() -> Iterator[Fired]:
    """A watch that ends is opened again and nobody is told."""
    fired = Fired()

    def keep_silent(self: Generator, _: Any) -> None:
        fired()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Generator, "_on_interruption", keep_silent)
        yield fired


@contextmanager
def fixed_names() -> Iterator[Fired]:
    """Claims are called claim-0, claim-1 … in every repetition and run."""
    fired = Fired()

    def naming(self: Generator, arm: str, block: int, rep: int) -> Callable[[int], str]:
        fired()
        return lambda idx: f"claim-{arm.replace('.', '-')}-{rep}-{idx}"

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Generator, "_naming", naming)
        yield fired


@contextmanager
def hidden_retry() -> Iterator[Fired]:
    """A request that is refused with 429 or loses its connection is sent again, up to three times."""
    fired = Fired()
    send = KeepAliveTransport._send

    async def patiently(self: KeepAliveTransport, *arguments: Any) -> Reply:
        reply = await send(self, *arguments)
        for _ in range(3):
            if reply.status not in (0, 429):
                break
            fired()
            reply = await send(self, *arguments)
        return reply

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(KeepAliveTransport, "_send", patiently)
        yield fired


@contextmanager
def hidden_retry_of_the_connections() -> Iterator[Fired]:
    """What is under way on a connection that breaks is sent again on the next one, up to three times."""
    fired = Fired()
    abandon = Line.abandon

    def patiently(self: Line, error: Exception) -> None:
        if self._exchange is not None and fired.times < 3:
            fired()
            self._exchange.line = None
            self._lines._waiting.append(self._exchange)
            self._exchange = None
        abandon(self, error)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Line, "abandon", patiently)
        yield fired


@contextmanager
def timeout_from_last() -> Iterator[Fired]:
    """The time to become Ready is counted from when the last claim was due."""
    fired = Fired()
    deadline = Offering._deadline_ns

    def from_last(self: Offering, record: ClaimRecord) -> int:
        assert isinstance(self.schedule, Schedule)
        fired()
        remaining = self.schedule.offsets_ns[-1] - self.schedule.offsets_ns[record.idx]
        return deadline(self, record) + remaining

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Offering, "_deadline_ns", from_last)
        yield fired


@contextmanager
def mixed_clock() -> Iterator[Fired]:
    """The instant of Ready is taken from lastTransitionTime: the server's clock, in whole seconds."""
    fired = Fired()
    instant = Tracker.instant

    def from_object(self: Tracker, entry: Entry) -> int:
        for condition in entry.object.status.get("conditions") or ():
            if moment := condition.get("lastTransitionTime"):
                fired()
                return round(datetime.fromisoformat(moment).timestamp()) * SECOND % (60 * SECOND)
        return instant(self, entry)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Tracker, "instant", from_object)
        yield fired


@contextmanager
def stop_at_ready() -> Iterator[Fired]:
    """The load ends when the last claim is Ready, before the controller's stamp can come."""
    fired = Fired()

    def as_soon(self: Tracker) -> bool:
        if not self._open and self._unstamped:
            fired()
        return not self._open

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Tracker, "settled", property(as_soon))
        yield fired


MUTANTS: dict[str, Mutant] = {
    "gen-ack-filter": Mutant(
        ack_filter,
        (
            "test_offering.test_ready_before_the_answer_is_no_timeout",
            "test_tracker.test_ready_before_the_answer_counts",
        ),
    ),
    "gen-fixed-names": Mutant(
        fixed_names, ("test_offering.test_names_are_the_runs_and_the_repetitions_own",)
    ),
    "gen-get-in-watch": Mutant(
        get_in_watch, ("test_offering.test_nothing_holds_the_loop_up_while_events_come",)
    ),
    "gen-hidden-retry": Mutant(
        hidden_retry, ("test_transport.test_a_refusal_is_one_request_with_all_that_was_said",)
    ),
    "gen-hidden-retry (connections)": Mutant(
        hidden_retry_of_the_connections,
        ("test_transport.test_a_deletion_whose_connection_breaks_is_not_sent_again",),
    ),
    "gen-mixed-clock": Mutant(
        mixed_clock,
        ("test_offering.test_stamps_are_the_generators_clock", "test_tracker.test_stamps_are_of_one_clock"),
    ),
    "gen-no-preopen": Mutant(
        no_preopen, ("test_transport.test_connections_are_open_and_used_before_the_load",)
    ),
    "gen-relative-sleep": Mutant(relative_sleep, ("test_offering.test_a_stall_moves_no_later_claim",)),
    "gen-shared-pool": Mutant(
        shared_pool, ("test_generator.test_claims_have_all_connections_to_themselves",)
    ),
    "gen-silent-reconnect": Mutant(
        silent_reconnect, ("test_offering.test_a_claim_that_was_open_while_nobody_watched_is_marked",)
    ),
    "gen-stamp-at-dequeue": Mutant(
        stamp_at_dequeue, ("test_offering.test_latency_is_counted_from_when_a_claim_was_due",)
    ),
    "gen-stop-at-ready": Mutant(
        stop_at_ready, ("test_offering.test_it_listens_until_the_controllers_stamp",)
    ),
    "gen-timeout-from-last": Mutant(
        timeout_from_last, ("test_offering.test_each_claim_has_its_own_time_to_become_ready",)
    ),
}
