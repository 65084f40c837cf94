"""A schedule under way, in virtual time: what the generator promises about instants, names and endings."""

from __future__ import annotations

import asyncio
import itertools
import re
from pathlib import Path
from typing import Any

import pytest

from fixtures.errors import StartError, Undecided, UsageError
from fixtures.journal.history import EntryType
from fixtures.kube.connection import Connection
from fixtures.kube.kinds import CLAIM, CONFIG_MAP
from fixtures.load.generator import Generator
from fixtures.load.instrument import IDLE_WRITES
from fixtures.load.offering import Offering
from fixtures.load.records import ClaimRecord, Failure, Repetition
from fixtures.load.schedule import SECOND, burst, closed, constant, poisson
from fixtures.load.tracker import Tracker
from fixtures.load.transport import Reply
from tests.unit.journal.objects import build
from tests.unit.load.virtual import FakeJournal, FakeSystem, Virtual, VirtualClock, Ways, virtual_load

MILLISECOND = SECOND // 1000


def latencies(repetition: Repetition) -> list[int]:
    """Whole milliseconds from the intended instant to Ready, in the order of the claims."""
    found = []
    for record in repetition.claims:
        assert record.t_ready_ns is not None, record
        found.append((record.t_ready_ns - record.t_intended_ns) // MILLISECOND)
    return found


def offsets(repetition: Repetition) -> list[int]:
    """Intended instants after the first one, in nanoseconds."""
    first = repetition.claims[0].t_intended_ns
    return [record.t_intended_ns - first for record in repetition.claims]


def test_every_claim_is_made_and_followed() -> None:
    """Each claim MUST have all its stamps, and the repetition MUST say what it was."""
    with virtual_load() as load:
        repetition = load.generator.offer(constant(10, 20), arm="a", block=3, rep=2, counted=False)

    assert latencies(repetition) == [50] * 20
    assert (repetition.arm, repetition.block, repetition.rep, repetition.counted) == ("a", 3, 2, False)
    assert repetition.span_s == 1.9
    assert [record.idx for record in repetition.claims] == list(range(20))
    for record in repetition.claims:
        assert (record.arm, record.block, record.rep) == ("a", 3, 2)
        assert record.t_ack_ns is not None and record.t_ack_ns - record.t_intended_ns < 6 * MILLISECOND
        assert (record.http_status, record.node, record.launch_type) == (201, "node-a", "warm")
        assert record.first_ready_at == "2026-01-01T00:00:00.050000001Z"
        assert record.error is None and record.certain
    assert load.noise.calls == ["start", "stop"]


def test_a_stall_moves_no_later_claim() -> None:
    """A call that is late by 500 ms MUST leave every later intended instant where it was."""
    schedule = constant(20, 40)
    with virtual_load() as load:
        load.system.on_create = lambda place: load.clock.advance(0.5) if place == 5 else None
        repetition = load.generator.offer(schedule)

    assert offsets(repetition) == list(schedule.offsets_ns)
    late = [r.t_call_ns - r.t_intended_ns for r in repetition.claims if r.t_call_ns is not None]
    assert 440 * MILLISECOND < late[6] < 460 * MILLISECOND
    assert late[-1] < MILLISECOND


def test_latency_is_counted_from_when_a_claim_was_due() -> None:
    """Claims that wait for a connection MUST show that wait: 100/s on one connection of 100 ms each."""
    with virtual_load(slots=1, ways=lambda _: Ways(ack=0.1)) as load:
        repetition = load.generator.offer(constant(100, 10))

    # The last one is due at 90 ms, sent at 900 ms and Ready 50 ms later.
    assert latencies(repetition)[0] == 50
    assert 855 <= latencies(repetition)[-1] <= 865
    assert offsets(repetition) == list(constant(100, 10).offsets_ns)
    last = repetition.claims[-1]
    assert last.t_call_ns is not None
    assert 805 <= (last.t_call_ns - last.t_intended_ns) // MILLISECOND <= 815


def test_ready_before_the_answer_is_no_timeout() -> None:
    """Claims that are Ready before their POST is answered MUST all count, none as a timeout."""
    with virtual_load(ways=lambda _: Ways(ack=0.2, ready=0.03)) as load:
        repetition = load.generator.offer(constant(50, 10), ready_timeout=1)

    assert [record.t_ready_ns for record in repetition.claims].count(None) == 0
    assert latencies(repetition) == [30] * 10
    assert all(record.t_ready_ns < record.t_ack_ns for record in repetition.claims)  # type: ignore[operator]


def test_each_claim_has_its_own_time_to_become_ready() -> None:
    """The first claim MUST expire alone, though the last is due much later; a late Ready is late."""
    late = {0: Ways(ready=3.0), 9: Ways(ready=1.9)}
    with virtual_load(ways=lambda place: late.get(place, Ways())) as load:
        repetition = load.generator.offer(constant(1, 10), ready_timeout=2)

    assert [record.error for record in repetition.claims] == [Failure("bound_then_not_ready")] + [None] * 9
    assert repetition.claims[0].flags == {"timeout"}
    assert repetition.claims[0].t_ready_ns is None


def test_it_listens_until_the_controllers_stamp() -> None:
    """A stamp that comes a second after Ready MUST still be read, also of the last claim."""
    with virtual_load(ways=lambda _: Ways(stamp=1.0)) as load:
        repetition = load.generator.offer(constant(10, 3))

    assert [record.first_ready_at for record in repetition.claims] == ["2026-01-01T00:00:00.050000001Z"] * 3
    # One look at the loop every 10 ms: 50 ms of lead, 200 of arrivals, 50 to Ready, and the second.
    assert len(repetition.instrument.loop_lag_ns) >= 125


def test_a_stamp_that_never_comes_ends_nothing_but_the_waiting() -> None:
    """Releases without the stamp MUST cost two seconds, and the claims stay whole."""
    with virtual_load(ways=lambda _: Ways(stamp=None)) as load:
        before = load.generator.now_ns()
        repetition = load.generator.offer(burst(2))

        assert 2 * SECOND < load.generator.now_ns() - before < 3 * SECOND
    assert [(record.first_ready_at, record.error) for record in repetition.claims] == [("", None)] * 2


def test_names_are_the_runs_and_the_repetitions_own() -> None:
    """No name MUST come twice, in another repetition, arm or run, even where claims were left over."""
    with virtual_load("run-1") as first:
        for arm, rep in itertools.product(("a", "v0.5.6"), (0, 1)):
            first.generator.offer(burst(3), arm=arm, rep=rep)
        with virtual_load("run-2", system=first.system) as second:
            again = second.generator.offer(burst(3), arm="a", rep=0)

    assert [record.error for record in again.claims] == [None] * 3
    names = [*first.system.created, *second.system.created]
    assert len(set(names)) == len(names) == 15
    assert "perf-run-1-v0-5-6-b0r1-00002" in names
    assert all(re.fullmatch(r"perf-run-[12]-[a-z0-9-]{1,40}", name) for name in names)


def test_a_leftover_is_an_error_and_no_claim() -> None:
    """A name that is taken MUST be recorded as such; what stands there is neither followed nor deleted."""
    with virtual_load() as load:
        load.system.names.add("perf-unit-b0r0-00001")
        repetition = load.generator.offer(burst(2))
        assert load.generator.delete_all() == 0

    assert [record.error for record in repetition.claims] == [None, Failure("leftover", 409, "AlreadyExists")]
    assert load.system.deleted == ["perf-unit-b0r0-00000"]


def test_a_refusal_is_one_attempt() -> None:
    """A 429 MUST be recorded with what it said and not tried again; the other claims go on."""
    refused = Ways(status=429, reason="TooManyRequests", retry_after=2.0, bind=None, ready=None)
    with virtual_load(ways=lambda place: refused if place == 1 else Ways()) as load:
        repetition = load.generator.offer(constant(10, 3))

    failed = repetition.claims[1]
    assert failed.error == Failure("http", 429, "TooManyRequests")
    assert [(a.code, a.retry_after_s) for a in failed.attempts] == [(429, 2.0)]
    assert len(load.system.created) == 3
    assert [record.error for record in repetition.claims].count(None) == 2


def test_claims_leave_when_their_time_is_over() -> None:
    """With a dwell each claim MUST be deleted that long after it was Ready, one that is not at once."""
    never = Ways(ready=None)
    with virtual_load(ways=lambda place: never if place == 2 else Ways()) as load:
        repetition = load.generator.offer(constant(10, 4, dwell=1.5), ready_timeout=1)

    first, third = repetition.claims[0], repetition.claims[2]
    assert first.t_ready_ns and first.t_delete_ns and first.t_deleted_ns and third.t_delete_ns
    assert (first.t_delete_ns - first.t_ready_ns) // MILLISECOND == 1500
    assert (first.t_deleted_ns - first.t_delete_ns) // MILLISECOND == 10
    assert 1000 <= (third.t_delete_ns - third.t_intended_ns) // MILLISECOND <= 1015
    assert sorted(load.system.deleted) == sorted(load.system.created)


def test_a_closed_loop_goes_on_when_a_slot_is_free() -> None:
    """Each slot MUST make its claims one after the other, and never more than one at a time."""
    with virtual_load() as load:
        repetition = load.generator.offer(closed(2, rounds=3, dwell=0.2))

    # Ready after 50 ms, 200 ms of dwelling, 5 ms for the answer to the DELETE.
    assert [record.idx for record in repetition.claims] == list(range(6))
    begun = [(r.t_intended_ns - repetition.claims[0].t_intended_ns) // MILLISECOND for r in repetition.claims]
    assert begun == [0, 0, 255, 255, 510, 510]
    assert latencies(repetition) == [50] * 6
    assert len(load.system.deleted) == 6


def test_a_closed_loop_ends_by_the_clock() -> None:
    """After its seconds a closed loop MUST make no new claim; a refused slot waits instead of running hot."""
    refused = Ways(status=500, reason="InternalError", bind=None, ready=None)
    with virtual_load() as load:
        half = load.generator.offer(closed(1, seconds=1.0, dwell=0.2))
        load.system.ways = lambda _: refused
        hot = load.generator.offer(closed(1, seconds=2.5), rep=1)

    assert len(half.claims) == 4
    assert len(hot.claims) == 3
    assert {record.error for record in hot.claims} == {Failure("http", 500, "InternalError")}


def test_a_claim_that_was_open_while_nobody_watched_is_marked() -> None:
    """A watch that ended and came back MUST be counted and mark the claims of that time, no others."""
    with virtual_load() as load:

        def cut(place: int) -> None:
            if place == 3:
                load.journal.interrupt(CLAIM)
                load.background.loop.call_later(0.12, load.journal.resume)

        load.system.on_create = cut
        repetition = load.generator.offer(constant(10, 8))

    assert [sorted(record.flags) for record in repetition.claims] == [
        [],
        [],
        [],
        ["gap"],
        ["gap"],
        [],
        [],
        [],
    ]
    assert repetition.instrument.disconnects == 1
    assert repetition.instrument.gap_s == pytest.approx(0.12, abs=0.001)


def test_nothing_holds_the_loop_up_while_events_come() -> None:
    """Taking in an event MUST NOT take time on the loop: its lateness stays far below a request's time."""
    with virtual_load() as load:
        repetition = load.generator.offer(constant(10, 10))

    assert max(repetition.instrument.loop_lag_ns) < MILLISECOND
    assert len(repetition.instrument.loop_lag_ns) > 90


def test_stamps_are_the_generators_clock() -> None:
    """Whatever whole seconds the objects carry, latencies MUST be the 50 ms that passed here."""
    with virtual_load(ways=lambda place: Ways(transition=f"2026-01-01T00:00:{place:02d}Z")) as load:
        repetition = load.generator.offer(constant(10, 5))

    assert latencies(repetition) == [50] * 5


def test_a_held_up_loop_is_seen() -> None:
    """A loop that stands still for 300 ms MUST show some thirty late ticks, not one."""
    with virtual_load() as load:
        load.system.on_create = lambda place: load.clock.advance(0.3) if place == 0 else None
        repetition = load.generator.offer(burst(1))

    late = [lag for lag in repetition.instrument.loop_lag_ns if lag > 5 * MILLISECOND]
    assert 28 <= len(late) <= 31
    assert 280 * MILLISECOND < max(late) <= 300 * MILLISECOND


def test_the_canary_is_written_all_the_time() -> None:
    """The watch's own lag MUST be sampled ten times a second, by what was written in this repetition."""
    with virtual_load() as load:
        repetition = load.generator.offer(constant(10, 20))
        again = load.generator.offer(constant(10, 20), rep=1)

    for one in (repetition, again):
        assert 19 <= len(one.instrument.watch_lag_ns) <= 23
        assert {lag // MILLISECOND for lag in one.instrument.watch_lag_ns} == {1}


def test_the_api_server_is_gauged_before_each_load(monkeypatch: pytest.MonkeyPatch) -> None:
    """How long a write takes MUST be measured before the first claim comes, one write at a time."""
    under_way, most, claims = 0, 0, []

    async def slow(self: FakeSystem, *_: Any) -> Reply:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        sent = self.clock()
        await asyncio.sleep(0.004)
        under_way -= 1
        return Reply(200, "", {}, sent, self.clock())

    async def go_on(_: object) -> None:
        """Its canary comes back never."""

    with virtual_load() as load:
        monkeypatch.setattr(FakeSystem, "patch", slow)
        load.generator._hear_canary = go_on  # type: ignore[method-assign]
        load.system.on_create = lambda _: claims.append(load.clock())
        began = load.clock()
        repetition = load.generator.offer(burst(1))

    writes = repetition.instrument.idle_write_ns
    assert [round(took / MILLISECOND) for took in writes] == [4] * IDLE_WRITES
    assert most == 1
    assert claims[0] - began >= sum(writes)


def test_a_refused_canary_is_an_error_of_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the canary nothing is known of the watches, so a refusal MUST end the start and say why."""

    async def refuse(self: FakeSystem, *_: Any, **__: Any) -> Reply:
        return Reply(403, "Forbidden", {"message": "not you"}, 1, 2)

    monkeypatch.setattr(FakeSystem, "create", refuse)
    with (
        pytest.raises(StartError, match="perf-canary-unit.* was refused: 403 Forbidden not you"),
        virtual_load(),
    ):
        pass


def test_a_canary_from_before_says_nothing() -> None:
    """An old state of the canary, or one from a list, MUST NOT be taken for a lag."""
    with virtual_load() as load:

        def old(place: int) -> None:
            obj = build(CONFIG_MAP, "perf-canary-unit", 900 + place)
            load.journal.feed(EntryType.MODIFIED, CONFIG_MAP, {**obj, "data": {"sent": "1"}})
            data = {"sent": str(load.clock() - SECOND)}
            obj = build(CONFIG_MAP, "perf-canary-unit", 950 + place)
            load.journal.feed(EntryType.MODIFIED, CONFIG_MAP, {**obj, "data": data}, relisted=True)

        load.system.on_create = old
        repetition = load.generator.offer(burst(2))

    assert {lag // MILLISECOND for lag in repetition.instrument.watch_lag_ns} == {1}


def test_a_lost_watch_ends_the_load() -> None:
    """When a watch is lost for good the load MUST end at once and say so."""
    with virtual_load() as load:

        def lose(place: int) -> None:
            if place == 2:
                load.journal.failure = ConnectionError("SandboxClaim reopened 50 times in vain")

        load.system.on_create = lose
        with pytest.raises(Undecided, match="watch lost: SandboxClaim reopened 50 times in vain"):
            load.generator.offer(constant(1, 1000))
        assert len(load.system.created) == 3


def test_what_goes_wrong_in_the_generator_is_raised() -> None:
    """An error in a task MUST end the load, not leave it waiting for what never comes."""
    with virtual_load() as load:

        def break_down(place: int) -> None:
            raise ZeroDivisionError("of the generator")

        load.system.on_create = break_down
        with pytest.raises(ZeroDivisionError, match="of the generator"):
            load.generator.offer(burst(2))


def test_an_interrupt_ends_the_load_and_keeps_what_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C MUST come out of `offer` with nothing running on: no claim is made, no canary written."""
    with virtual_load(ways=lambda _: Ways(ready=None)) as load:

        def interrupted(*_: Any) -> str:
            raise KeyboardInterrupt

        monkeypatch.setattr("fixtures.load.generator.SHOWN_EVERY", 0.01)
        monkeypatch.setattr(Generator, "_progress", interrupted)
        with pytest.raises(KeyboardInterrupt):
            load.generator.offer(constant(10, 5000), ready_timeout=1e6)

        made, written = len(load.system.created), load.system.canary_writes
        load.background.run(_a_virtual_minute(), 10)
        assert len(load.system.created) == made == len(load.generator.claims)
        assert load.system.canary_writes == written
        assert load.noise.calls == ["start", "stop"]


async def _a_virtual_minute() -> None:
    await asyncio.sleep(60)
    assert [task for task in asyncio.all_tasks() if task is not asyncio.current_task()] == []


def test_deletion_waits_until_all_are_gone() -> None:
    """`delete_all` MUST stamp each claim's deletion, and count what stays."""
    with virtual_load() as load:
        repetition = load.generator.offer(burst(3))
        assert load.generator.delete_all() == 0
        assert all(
            r.t_deleted_ns and r.t_delete_ns and r.t_deleted_ns > r.t_delete_ns for r in repetition.claims
        )

        load.generator.offer(burst(2), rep=1)
        load.system._later = lambda *_, **__: None  # type: ignore[method-assign]
        assert load.generator.delete_all(timeout=5) == 2


def test_a_stamped_claim_says_when_it_was_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """With `stamped` each body MUST carry the wall clock in nanoseconds; without, no annotation."""
    bodies: list[bytes] = []
    create = FakeSystem.create

    async def keep(self: FakeSystem, kind: Any, namespace: str, body: bytes, **more: Any) -> Any:
        if kind == CLAIM:
            bodies.append(body)
        return await create(self, kind, namespace, body, **more)

    monkeypatch.setattr(FakeSystem, "create", keep)
    with virtual_load() as load:
        load.generator.offer(burst(1))
        load.generator.offer(burst(1), rep=1, stamped=True)

    assert bodies[0] == (
        b'{"apiVersion":"extensions.agents.x-k8s.io/v1beta1","kind":"SandboxClaim",'
        b'"metadata":{"name":"perf-unit-b0r0-00000"},"spec":{"warmPoolRef":{"name":"pool"}}}'
    )
    moment = rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z"
    assert re.search(rb'"annotations":{"agents.x-k8s.io/client-first-requested-at":"%b"}' % moment, bodies[1])
    assert b'"name":"perf-unit-b0r1-00000"' in bodies[1]


def test_a_poisson_load_keeps_to_its_schedule() -> None:
    """Intended instants MUST be the schedule's, shard by shard."""
    schedule = poisson(30, 4, seed=3)
    with virtual_load() as load:
        repetition = load.generator.offer(schedule.shard(1, 2))

    first = schedule.offsets_ns[1]
    assert offsets(repetition) == [offset - first for offset in schedule.offsets_ns[1::2]]
    assert [record.idx for record in repetition.claims] == list(schedule.indices[1::2])


def test_what_was_recorded_replays_to_the_same_records() -> None:
    """Notes and entries of a whole load, replayed into a new tracker, MUST give the same claims and pool."""
    told: list[tuple[str, tuple[Any, ...]]] = []
    with virtual_load(ways=lambda place: Ways(ready=None) if place == 3 else Ways()) as load:
        tracker = load.generator.tracker
        for name in (
            "registered",
            "called",
            "answered",
            "observe",
            "expire",
            "delete_called",
            "delete_answered",
        ):
            setattr(tracker, name, _recording(told, name, getattr(tracker, name)))
        repetition = load.generator.offer(constant(20, 10, dwell=0.1), ready_timeout=1)

    again = Tracker(load.generator.origin_ns, "pool")
    for name, arguments in told:
        if name == "registered":
            record, deadline = arguments
            arguments = (
                ClaimRecord(record.namespace, record.name, record.idx, record.t_intended_ns),
                deadline,
            )
        getattr(again, name)(*arguments)

    assert tuple(again.records.values()) == repetition.claims
    assert again.pool_samples() == tracker.pool_samples()


def _recording(told: list[tuple[str, tuple[Any, ...]]], name: str, method: Any) -> Any:
    def recorded(*arguments: Any) -> Any:
        told.append((name, arguments))
        return method(*arguments)

    return recorded


def test_connections_follow_the_number_of_claims() -> None:
    """More than 300 claims MUST get 64 connections, before the load begins; the number never shrinks."""
    with virtual_load() as load:
        assert load.system.connections == 1  # The canary's, opened last.
        load.generator.offer(burst(300))
        assert load.generator._connections == 32
        load.generator.offer(burst(301), rep=1)
        assert (load.generator._connections, load.system.connections) == (64, 64)
        load.generator.offer(burst(1), rep=2)
        assert load.generator._connections == 64


@pytest.mark.parametrize("run_id", ["", "Run", "a_b", "-a", "a-"])
def test_a_run_id_that_fits_no_name_is_refused(run_id: str) -> None:
    """A run id with other characters than names may have MUST be a usage error."""
    with pytest.raises(UsageError, match="cannot be part of a claim's name"), virtual_load(run_id):
        pass


def test_offers_that_cannot_be_told_apart_are_refused() -> None:
    """The same arm, block and repetition twice, or names too long, MUST be refused before a request."""
    with virtual_load() as load:
        load.generator.offer(burst(1))
        with pytest.raises(ValueError, match="was offered before"):
            load.generator.offer(burst(1))
        with pytest.raises(ValueError, match=r"burst\(1\) has no claim to offer"):
            load.generator.offer(burst(1).shard(1, 2), rep=1)
        with pytest.raises(ValueError, match="longer than 63 characters"):
            load.generator.offer(burst(1), arm="a" * 50)
        assert len(load.system.created) == 1


def test_the_journal_must_record_what_is_needed() -> None:
    """A journal without the canary's kind MUST be refused by name."""
    journal = FakeJournal(VirtualClock())
    journal.kinds = (CLAIM,)
    with pytest.raises(ValueError, match="must also record Sandbox, SandboxWarmPool, ConfigMap"):
        Generator(Connection(Path("x"), "x"), "n", "p", journal, run_id="r")  # type: ignore[arg-type]


def test_progress_is_one_line() -> None:
    """The live line MUST say arrivals, ready, failures, rate and percentiles so far."""
    lines: list[str] = []
    run = Offering.run

    async def spied(self: Offering) -> None:
        await run(self)
        lines.append(loads[0].generator._progress(self))

    loads: list[Virtual] = []
    with pytest.MonkeyPatch.context() as patch, virtual_load() as load:
        loads.append(load)
        patch.setattr(Offering, "run", spied)
        load.system.ways = lambda place: Ways(status=403, bind=None, ready=None) if place == 0 else Ways()
        load.generator.offer(constant(10, 11))

    assert re.fullmatch(r"11 of 11 arrived, 10 ready, 1 failed, 9\.\d/s, P50 50 ms, P99 50 ms", lines[0]), (
        lines
    )
