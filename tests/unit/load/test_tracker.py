"""The tracker: what a recorded stream says of each claim, clean streams and bad ones."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from fixtures.journal.history import Entry, EntryType, History
from fixtures.kube.kinds import CLAIM, POD, SANDBOX, WARM_POOL, Kind
from fixtures.load.records import Attempt, ClaimRecord, Failure, PoolSample
from fixtures.load.schedule import SECOND
from fixtures.load.tracker import Progress, Tracker
from fixtures.system.agent_sandbox.views import FIRST_OBSERVED, FIRST_READY, LAUNCH_TYPE, POOL_HASH
from tests.unit.journal.objects import NAMESPACE, build, owned_by, ready

ADDED, MODIFIED, DELETED = EntryType.ADDED, EntryType.MODIFIED, EntryType.DELETED

#: Where the origin lies on the clock that entries are stamped with, in seconds.
ORIGIN = 500
MILLISECOND = SECOND // 1000


def ms(count: float) -> int:
    return round(count * MILLISECOND)


class Stream:
    """A recorded stream, written down step by step; milliseconds from the origin."""

    def __init__(self, pool: str = "pool") -> None:
        self.tracker = Tracker(ORIGIN * SECOND, pool)
        self.history = History()
        self._versions = itertools.count(1)

    def register(
        self, name: str = "c", intended: float = 0, timeout: float = 60_000, idx: int = 0
    ) -> ClaimRecord:
        record = ClaimRecord(NAMESPACE, name, idx, ms(intended))
        self.tracker.registered(record, ms(intended + timeout))
        return record

    def call(self, name: str, at: float) -> None:
        self.tracker.called((NAMESPACE, name), ms(at))

    def answer(
        self, name: str, sent: float, answered: float, status: int = 201, reason: str = "", **more: Any
    ) -> None:
        self.tracker.answered((NAMESPACE, name), ms(sent), ms(answered), status, reason, **more)

    def see(
        self,
        at: float,
        kind: Kind,
        name: str,
        type_: EntryType = MODIFIED,
        *,
        relisted: bool = False,
        **fields: Any,
    ) -> ClaimRecord | None:
        obj = build(kind, name, next(self._versions), **fields)
        entry = self.history.record(ORIGIN + at / 1000, kind, type_, obj, relisted=relisted)
        assert entry is not None
        return self.tracker.observe(entry)

    def gap(self, at: float, kind: Kind = CLAIM) -> None:
        self.tracker.observe(self.history.record_gap(ORIGIN + at / 1000, kind, "410"))


def status(sandbox: str = "", ips: bool = False, is_ready: str = "") -> dict[str, Any]:
    """The status of a claim."""
    found: dict[str, Any] = {}
    if sandbox:
        found["sandbox"] = {"name": sandbox, **({"podIPs": ["10.0.0.1"]} if ips else {})}
    if is_ready:
        found["conditions"] = ready(is_ready, lastTransitionTime="2026-01-01T00:00:00Z")
    return found


READY = status("box", ips=True, is_ready="True")


def test_a_clean_stream_gives_a_whole_record() -> None:
    """Every stamp MUST be the instant of the first event that says so, and nothing else."""
    stream = Stream()
    record = stream.register(intended=10)
    stream.call("c", 11)
    stream.answer("c", 12, 15, uid="uid-c")
    stream.see(16, CLAIM, "c", ADDED)
    stream.see(17, SANDBOX, "box", labels={LAUNCH_TYPE: "warm"}, status={"nodeName": "node-a"})
    stream.see(20, CLAIM, "c", status=status("box", is_ready="False"), annotations={FIRST_OBSERVED: "o"})
    stream.see(30, CLAIM, "c", status=status("box", ips=True, is_ready="False"))
    became = stream.see(40, CLAIM, "c", status=READY)
    again = stream.see(45, CLAIM, "c", status=READY, annotations={FIRST_OBSERVED: "o2", FIRST_READY: "r"})

    assert became is record
    assert again is None
    assert record == ClaimRecord(
        NAMESPACE,
        "c",
        0,
        t_intended_ns=ms(10),
        uid="uid-c",
        t_call_ns=ms(12),
        t_ack_ns=ms(15),
        t_bind_ns=ms(20),
        t_ip_ns=ms(30),
        t_ready_ns=ms(40),
        http_status=201,
        attempts=[Attempt(ms(12), 201)],
        sandbox="box",
        sandbox_uid="uid-box",
        node="node-a",
        launch_type="warm",
        first_observed_at="o",
        first_ready_at="r",
    )
    assert record.certain
    assert stream.tracker.settled


def test_ready_before_the_answer_counts() -> None:
    """Events that come before the answer to the POST MUST count as any other (PKB-D1)."""
    stream = Stream()
    record = stream.register()
    stream.call("c", 1)
    stream.see(3, CLAIM, "c", ADDED)
    stream.see(4, CLAIM, "c", status=READY, annotations={FIRST_READY: "r"})
    stream.answer("c", 1, 9, uid="uid-c")

    assert (record.t_bind_ns, record.t_ip_ns, record.t_ready_ns, record.t_ack_ns) == (
        ms(4),
        ms(4),
        ms(4),
        ms(9),
    )
    assert record.first_ready_at == "r"
    assert record.error is None
    assert stream.tracker.settled


def test_stamps_are_of_one_clock() -> None:
    """An instant MUST be the reader's own, whatever times the object carries (PERF-CLK-1, PERF-CLK-2)."""
    stream = Stream()
    record = stream.register()
    stream.see(41.5, CLAIM, "c", status=READY, creationTimestamp="2026-01-01T00:00:00Z")

    assert record.t_ready_ns == ms(41.5)


def test_the_order_of_the_watches_does_not_matter() -> None:
    """Claim, Sandbox and answer come over ways of their own: any order MUST give the same record."""
    steps = [
        lambda s: s.see(20, CLAIM, "c", status=status("box", ips=True, is_ready="True")),
        lambda s: s.see(20, SANDBOX, "box", labels={LAUNCH_TYPE: "warm"}, status={"nodeName": "node-a"}),
        lambda s: s.answer("c", 1, 5, uid="uid-c"),
        lambda s: s.see(20, POD, "box", ADDED),
    ]
    found = []
    for order in itertools.permutations(steps):
        stream = Stream()
        record = stream.register()
        for step in order:
            step(stream)
        found.append(record)

    assert all(record == found[0] for record in found)
    assert (found[0].node, found[0].launch_type, found[0].t_ready_ns) == ("node-a", "warm", ms(20))


def test_a_label_that_comes_later_is_taken_over() -> None:
    """Node and launch type of the Sandbox a claim is bound to MUST follow what is known of it."""
    stream = Stream()
    record = stream.register()
    stream.see(5, CLAIM, "c", status=status("box"))
    stream.see(6, SANDBOX, "box", ADDED)
    assert (record.node, record.launch_type) == ("", "")

    stream.see(9, SANDBOX, "box", labels={LAUNCH_TYPE: "cold"}, status={"nodeName": "node-b"})
    assert (record.node, record.launch_type) == ("node-b", "cold")

    stream.see(10, SANDBOX, "box", DELETED, labels={LAUNCH_TYPE: "cold"}, status={"nodeName": "node-b"})
    stream.see(11, SANDBOX, "box", ADDED, uid="another", labels={LAUNCH_TYPE: "warm"})
    assert (record.sandbox_uid, record.node, record.launch_type) == ("uid-box", "node-b", "cold")


@pytest.mark.parametrize("kind", [CLAIM, SANDBOX])
def test_a_gap_marks_the_claims_that_were_open(kind: Kind) -> None:
    """A GAP of claims MUST mark those under way; one of another kind says nothing of their stamps."""
    stream = Stream()
    before, during, after = (stream.register(name) for name in ("before", "during", "after-all"))
    stream.see(1, CLAIM, "before", status=READY)
    stream.gap(2, kind)
    late = stream.register("late", intended=3)
    for name in ("during", "after-all", "late"):
        stream.see(5, CLAIM, name, status=READY)

    marked = {"gap"} if kind == CLAIM else set()
    assert (before.flags, during.flags, after.flags, late.flags) == (set(), marked, marked, set())
    assert during.certain is (kind != CLAIM)


def test_a_watch_that_is_away_marks_the_claims_of_that_time() -> None:
    """Whoever is open while claims are not watched MUST be marked, also those that begin meanwhile."""
    stream = Stream()
    before, during = stream.register("before"), stream.register("during")
    stream.see(1, CLAIM, "before", status=READY)
    stream.tracker.interrupted(CLAIM)
    meanwhile = stream.register("meanwhile", intended=2)
    stream.tracker.resumed(CLAIM)
    later = stream.register("later", intended=4)

    assert [record.flags for record in (before, during, meanwhile, later)] == [set(), {"gap"}, {"gap"}, set()]


def test_what_a_list_says_is_marked() -> None:
    """A stamp from a relist MUST be marked: nobody saw when it became so."""
    stream = Stream()
    record, bound = stream.register("c"), stream.register("bound")
    stream.see(5, CLAIM, "c", relisted=True, status=READY)
    stream.see(5, CLAIM, "bound", relisted=True, status=status("other"))
    stream.see(6, CLAIM, "bound", relisted=True, status=status("other"))

    assert (record.flags, record.t_ready_ns, record.certain) == ({"synthetic"}, ms(5), False)
    assert bound.flags == {"synthetic"}


def test_a_relist_that_says_nothing_new_marks_nothing() -> None:
    """A claim that a list shows as it was MUST stay unmarked."""
    stream = Stream()
    record = stream.register()
    stream.see(5, CLAIM, "c", relisted=True)
    stream.see(9, CLAIM, "c", status=READY)

    assert record.flags == set()


def test_a_claim_expires_by_its_own_instant() -> None:
    """Each claim MUST have its time from when it was due, alone (PKB-D3)."""
    stream = Stream()
    first = stream.register("first", intended=0, timeout=1000)
    second = stream.register("second", intended=500, timeout=1000)

    assert stream.tracker.expire(ms(999)) == []
    assert stream.tracker.expire(ms(1000)) == [first]
    assert (first.error, first.flags) == (Failure("ready_timeout"), {"timeout"})
    assert (second.error, second.flags) == (None, set())

    stream.see(1200, CLAIM, "first", status=READY)
    stream.see(1499, CLAIM, "second", status=READY)
    assert (first.t_ready_ns, second.t_ready_ns) == (None, ms(1499))
    assert stream.tracker.expire(ms(2000)) == []


def test_ready_after_the_time_does_not_count_though_nobody_looked_yet() -> None:
    """The instant of an event MUST decide, not when `expire` happens to be called."""
    stream = Stream()
    record = stream.register(timeout=1000)
    stream.see(1000, CLAIM, "c", status=READY)

    assert record.t_ready_ns is None
    assert stream.tracker.expire(ms(1001)) == [record]


@pytest.mark.parametrize(
    ("bound", "waiting", "failure"),
    [
        (False, "", Failure("ready_timeout")),
        (True, "", Failure("bound_then_not_ready")),
        (True, "ContainerCreating", Failure("bound_then_not_ready")),
        (True, "CreateContainerError", Failure("pod_start_error", reason="CreateContainerError")),
    ],
)
def test_why_a_claim_was_not_ready_in_time(bound: bool, waiting: str, failure: Failure) -> None:
    """The class MUST say how far it came: not bound, bound and not ready, or its Pod does not start."""
    stream = Stream()
    record = stream.register(timeout=100)
    if bound:
        stream.see(5, CLAIM, "c", status=status("box", is_ready="False"))
    if waiting:
        containers = [{"state": {"waiting": {"reason": waiting}}}]
        stream.see(
            6,
            POD,
            "pod-x",
            ADDED,
            ownerReferences=owned_by(SANDBOX, "u", "box"),
            status={"containerStatuses": containers},
        )
    stream.tracker.expire(ms(100))

    assert record.error == failure


@pytest.mark.parametrize(
    ("code", "reason", "failure"),
    [
        (403, "Forbidden", Failure("http", 403, "Forbidden")),
        (409, "AlreadyExists", Failure("leftover", 409, "AlreadyExists")),
        (409, "Conflict", Failure("http", 409, "Conflict")),
        (429, "TooManyRequests", Failure("http", 429, "TooManyRequests")),
        (500, "InternalError", Failure("http", 500, "InternalError")),
    ],
)
def test_a_refusal_is_kept_with_code_and_reason(code: int, reason: str, failure: Failure) -> None:
    """Refusals MUST NOT become one class (PKB-D6), and MUST close the claim at once."""
    stream = Stream()
    record = stream.register()
    stream.answer("c", 1, 2, code, reason, retry_after_s=1.5)

    assert (record.error, record.http_status, record.t_ack_ns) == (failure, code, None)
    assert record.attempts == [Attempt(ms(1), code, 1.5)]
    assert stream.tracker.settled


def test_a_lost_answer_leaves_the_claim_open() -> None:
    """A claim whose answer was lost MUST count if it becomes Ready, and be called lost if it does not."""
    stream = Stream()
    made, lost = stream.register("made", timeout=100), stream.register("lost", timeout=100)
    for name in ("made", "lost"):
        stream.answer(name, 1, 2, 0, "conn_reset")
    stream.see(9, CLAIM, "made", status=READY)
    stream.tracker.expire(ms(100))

    assert (made.error, made.t_ready_ns, made.attempts) == (None, ms(9), [Attempt(ms(1), 0)])
    assert lost.error == Failure("conn_reset")


def test_what_is_seen_of_a_leftover_is_not_the_claims() -> None:
    """Events of an object that stood there before MUST NOT make a refused claim Ready (PKB-D8)."""
    stream = Stream()
    record = stream.register()
    stream.see(1, CLAIM, "c", uid="old", status=READY, annotations={FIRST_READY: "r"})
    assert record.t_ready_ns is not None

    stream.answer("c", 1, 3, 409, "AlreadyExists")
    stream.see(5, CLAIM, "c", uid="old", status=READY, annotations={FIRST_READY: "r"})

    assert record == ClaimRecord(
        NAMESPACE,
        "c",
        0,
        0,
        t_call_ns=ms(1),
        http_status=409,
        attempts=[Attempt(ms(1), 409)],
        error=Failure("leftover", 409, "AlreadyExists"),
    )
    assert stream.tracker.progress().ready == 0
    assert not stream.tracker.is_left((NAMESPACE, "c"))


def test_an_answer_with_another_uid_throws_away_what_was_seen() -> None:
    """If the name belonged to another object until just now, only events of the new one MUST count."""
    stream = Stream()
    record = stream.register()
    stream.see(1, CLAIM, "c", uid="old", status=READY)
    stream.answer("c", 1, 3, uid="new")
    assert record.t_ready_ns is None

    stream.see(4, CLAIM, "c", DELETED, uid="old", status=READY)
    stream.see(8, CLAIM, "c", uid="new", status=READY)
    assert (record.uid, record.t_ready_ns, record.t_deleted_ns) == ("new", ms(8), None)


def test_the_controllers_stamp_is_waited_for_but_not_for_ever() -> None:
    """After Ready a claim MUST stay unsettled until the stamp, or for two seconds (PERF-ART-3)."""
    stream = Stream()
    stamped, never = stream.register("stamped"), stream.register("never")
    stream.see(10, CLAIM, "stamped", status=READY)
    stream.see(10, CLAIM, "never", status=READY)
    stream.see(900, CLAIM, "stamped", status=READY, annotations={FIRST_READY: "unknown"})

    stream.tracker.expire(ms(2009))
    assert not stream.tracker.settled
    stream.tracker.expire(ms(2010))
    assert stream.tracker.settled
    assert (stamped.first_ready_at, never.first_ready_at, never.error) == ("unknown", "", None)


def test_deletions_are_stamped_when_a_watch_sees_them() -> None:
    """Claim and Pod MUST get the instant of their DELETED, unless only a list tells of it."""
    stream = Stream()
    seen, listed = stream.register("seen"), stream.register("listed")
    for name in ("seen", "listed"):
        stream.see(5, CLAIM, name, status=status(f"box-{name}", is_ready="True"))
        stream.see(5, POD, f"box-{name}", ADDED)
        stream.tracker.delete_called((NAMESPACE, name), ms(9))
        stream.tracker.delete_answered((NAMESPACE, name), ms(10), 200)
    assert stream.tracker.is_left((NAMESPACE, "seen"))
    stream.see(11, CLAIM, "seen", DELETED)
    assert stream.tracker.is_left((NAMESPACE, "seen"))
    stream.see(14, POD, "box-seen", DELETED)
    stream.see(15, CLAIM, "listed", DELETED, relisted=True)
    stream.see(16, POD, "box-listed", DELETED, relisted=True)

    assert (seen.t_delete_ns, seen.t_deleted_ns, seen.t_pod_deleted_ns) == (ms(10), ms(11), ms(14))
    assert (listed.t_delete_ns, listed.t_deleted_ns, listed.t_pod_deleted_ns) == (ms(10), None, None)
    assert not any(stream.tracker.is_left((NAMESPACE, name)) for name in ("seen", "listed"))
    assert seen.certain and seen.error is None


@pytest.mark.parametrize(
    ("code", "failure"), [(200, None), (404, None), (429, Failure("delete_failed", 429, "TooManyRequests"))]
)
def test_a_failed_deletion_is_no_deletion(code: int, failure: Failure | None) -> None:
    """A refused DELETE MUST be an error of its own class (PKB-D6); a claim that is gone is none."""
    stream = Stream()
    record = stream.register()
    stream.tracker.delete_answered((NAMESPACE, "c"), ms(10), code, "TooManyRequests")

    assert record.error == failure


def test_the_pool_is_sampled_when_it_changes() -> None:
    """Each change of the status, or of the members that are really ready, MUST be one sample."""
    stream = Stream()
    owner, label = owned_by(WARM_POOL, "uid-pool", "pool"), {POOL_HASH: "h"}
    whole = {"podIPs": ["10.0.0.1"], "conditions": ready()}
    stream.see(1, WARM_POOL, "pool", ADDED, status={"replicas": 2, "readyReplicas": 2})
    stream.see(1, WARM_POOL, "another", ADDED, status={"replicas": 9, "readyReplicas": 9})
    stream.see(2, SANDBOX, "a", ADDED, labels=label, ownerReferences=owner, status=whole)
    stream.see(3, SANDBOX, "b", ADDED, labels=label, ownerReferences=owner, status={**whole, "podIPs": []})
    stream.see(
        4, SANDBOX, "b", labels=label, ownerReferences=owner, status={**whole, "conditions": ready("False")}
    )
    stream.see(5, SANDBOX, "b", labels=label, ownerReferences=owner, status=whole)
    stream.see(
        6, SANDBOX, "foreign", labels=label, ownerReferences=owned_by(WARM_POOL, "u", "another"), status=whole
    )
    stream.see(7, SANDBOX, "a", labels={}, ownerReferences=owned_by(CLAIM, "u", "c"), status=whole)
    stream.see(8, WARM_POOL, "pool", status={"replicas": 2, "readyReplicas": 1})
    stream.see(9, SANDBOX, "b", labels=label, ownerReferences=owner, status=whole, deletionTimestamp="2026")
    stream.see(10, WARM_POOL, "pool", status={"replicas": 2, "readyReplicas": 1})

    expected = [(1, 2, 2, 0), (2, 2, 2, 1), (5, 2, 2, 2), (7, 2, 2, 1), (8, 2, 1, 1), (9, 2, 1, 0)]
    assert stream.tracker.pool_samples() == tuple(PoolSample(ms(at), *rest) for at, *rest in expected)
    assert stream.tracker.pool_samples(ms(7.5)) == stream.tracker.pool_samples()[3:]
    assert stream.tracker.pool_samples(ms(8)) == stream.tracker.pool_samples()[4:]
    assert stream.tracker.pool_samples(ms(99)) == stream.tracker.pool_samples()[5:]


def test_progress_counts_and_ranks() -> None:
    """Live figures MUST be nearest ranks of what is Ready, and say nothing where nothing is."""
    stream = Stream()
    assert stream.tracker.progress() == Progress(0, 0, 0, None, None)
    for i, latency in enumerate((40, 10, 30, 20)):
        stream.register(f"c{i}", idx=i)
        stream.see(latency, CLAIM, f"c{i}", status=READY)
    stream.register("refused")
    stream.answer("refused", 1, 2, 429, "TooManyRequests")

    assert stream.tracker.progress() == Progress(5, 4, 1, 0.02, 0.04)
    stream.tracker.forget_progress()
    assert stream.tracker.progress() == Progress(0, 0, 0, None, None)


def test_a_name_is_registered_once() -> None:
    """A name that comes twice would mix two claims and MUST be refused."""
    stream = Stream()
    stream.register()
    with pytest.raises(ValueError, match="claim asc-unit/c is registered already"):
        stream.register()


def test_claims_of_nobody_are_passed_over() -> None:
    """Claims that nobody registered, a canary or a neighbour, MUST leave no trace."""
    stream = Stream()
    assert stream.see(1, CLAIM, "stranger", status=READY) is None
    assert dict(stream.tracker.records) == {}
    assert stream.tracker.settled


def test_observing_reads_the_entry_and_no_clock() -> None:
    """The same entries MUST give the same records whenever, and in whatever process, they are replayed."""
    stream = Stream()
    stream.register()
    stream.see(5, CLAIM, "c", status=READY)
    entries: list[Entry] = list(stream.history)

    replayed = Tracker(ORIGIN * SECOND, "pool")
    replayed.registered(ClaimRecord(NAMESPACE, "c", 0, 0), ms(60_000))
    for entry in entries:
        replayed.observe(entry)

    assert replayed.records == stream.tracker.records
