"""The journal against a server that misbehaves: nothing is lost unseen, nothing is waited for in vain."""

from __future__ import annotations

import threading
import time

import pytest

from fixtures.errors import Undecided
from fixtures.journal import Entry, Journal
from fixtures.journal import journal as journal_module
from fixtures.kube.kinds import POD, SANDBOX
from tests.unit.journal.conftest import SOON, Open, eventually, leftover_tasks
from tests.unit.journal.objects import NAMESPACE, build
from tests.unit.journal.scripted import CLOSE, DROP, HOLD, ScriptedServer, bookmark, event, expired


def pod(name: str, version: int) -> dict[str, object]:
    return build(POD, name, version)


def follow(journal: Journal, count: int) -> list[tuple[str, str, int]]:
    """The first `count` entries as (type, name or reason, resourceVersion), waited for."""
    found: list[tuple[str, str, int]] = []
    for entry in journal.follow(0, time.monotonic() + SOON):
        found.append(as_line(entry))
        if len(found) == count:
            return found
    raise AssertionError(f"only {found}; last error {journal.last_error!r}")


def as_line(entry: Entry) -> tuple[str, str, int]:
    return entry.type.value, entry.object.name, entry.object.resource_version


def test_a_list_and_then_a_watch_from_its_version(server: ScriptedServer, open_journal: Open) -> None:
    """The journal MUST hold what the list says when `open` returns, and watch from that version on."""
    plan = server.plans[POD]
    plan.items, plan.version = [pod("old", 3)], 7

    journal = open_journal()
    assert [as_line(e) for e in journal.history] == [("ADDED", "old", 3)]

    eventually(lambda: bool(plan.open))
    server.send(POD, event("ADDED", pod("new", 8)))
    assert follow(journal, 2)[1] == ("ADDED", "new", 8)
    assert plan.watched_from == ["7"]
    assert plan.lists == 1
    assert server.agents == {"asc-test::unit"}


def test_a_stream_that_the_server_closes_is_resumed(server: ScriptedServer, open_journal: Open) -> None:
    """After a close the watch MUST go on from the last version, without list and without GAP."""
    plan = server.plans[POD]
    plan.watches.append([event("ADDED", pod("a", 2)), CLOSE])
    plan.watches.append([event("MODIFIED", pod("a", 5)), HOLD])

    journal = open_journal()

    assert follow(journal, 2) == [("ADDED", "a", 2), ("MODIFIED", "a", 5)]
    assert plan.watched_from == ["1", "2"]
    assert plan.lists == 1
    assert journal.reopenings[POD] == 1
    assert journal.history.gaps() == []


def test_a_connection_cut_in_the_middle_of_a_line(server: ScriptedServer, open_journal: Open) -> None:
    """Half an event MUST NOT count; the watch goes on from the last whole one."""
    plan = server.plans[POD]
    half = event("MODIFIED", pod("a", 3))[:40]
    plan.watches.append([event("ADDED", pod("a", 2)), half, DROP])
    plan.watches.append([event("MODIFIED", pod("a", 3)), HOLD])

    journal = open_journal()

    assert follow(journal, 2) == [("ADDED", "a", 2), ("MODIFIED", "a", 3)]
    assert plan.watched_from == ["1", "2"]
    assert journal.last_error.startswith("Pod: ConnectionResetError")


def test_half_a_line_at_a_proper_end(server: ScriptedServer, open_journal: Open) -> None:
    """A stream that ends properly in the middle of a line MUST be resumed all the same."""
    plan = server.plans[POD]
    plan.watches.append([event("ADDED", pod("a", 2)), event("MODIFIED", pod("a", 3))[:40], CLOSE])
    plan.watches.append([event("MODIFIED", pod("a", 3)), HOLD])

    journal = open_journal()

    assert follow(journal, 2) == [("ADDED", "a", 2), ("MODIFIED", "a", 3)]


@pytest.mark.parametrize("refusal", [[expired()], 410], ids=["ERROR event", "HTTP status"])
def test_an_expired_version(
    server: ScriptedServer, open_journal: Open, refusal: list[bytes | str] | int
) -> None:
    """After 410 the kind MUST be listed again; the GAP and what the list newly says are entries."""
    plan = server.plans[POD]
    plan.items = [pod("stays", 1), pod("changes", 1), pod("goes", 1)]
    plan.watches.append([HOLD])
    journal = open_journal()
    eventually(lambda: bool(plan.open))
    assert len(journal.history) == 3

    plan.items = [pod("stays", 1), pod("changes", 8), pod("comes", 9)]
    plan.version = 20
    plan.watches.append(refusal)
    # The held watch ends with a line that nobody can read, and is opened again: into the refusal.
    server.send(POD, b"not json\n")

    entries = follow(journal, 7)[3:]
    assert entries[0][0] == "GAP"
    assert entries[1:] == [("DELETED", "goes", 1), ("MODIFIED", "changes", 8), ("ADDED", "comes", 9)]
    assert "410" in journal.history.gaps()[0].object.raw["message"] or "too old" in str(
        journal.history.gaps()[0].object.raw
    )
    eventually(lambda: plan.watched_from[-1] == "20")
    assert plan.lists == 2
    assert [e.relisted for e in journal.history][3:] == [False, True, True, True]


def test_only_bookmarks(server: ScriptedServer, open_journal: Open) -> None:
    """A watch that brought only bookmarks MUST be resumed from the last bookmark."""
    plan = server.plans[POD]
    plan.watches.append([bookmark(50), bookmark(60), CLOSE])
    plan.watches.append([event("ADDED", pod("a", 61)), HOLD])

    journal = open_journal()

    assert follow(journal, 1) == [("ADDED", "a", 61)]
    assert plan.watched_from == ["1", "60"]
    assert len(journal.history) == 1


def test_chunks_are_not_lines(server: ScriptedServer, open_journal: Open) -> None:
    """Several events in one chunk and one event over several chunks MUST be read alike."""
    lines = [event("ADDED", pod(name, version)) for version, name in enumerate("abcd", 2)]
    last = lines[3]
    server.plans[POD].watches.append([b"".join(lines[:3]) + last[:10], last[10:-1], last[-1:], HOLD])

    journal = open_journal()

    assert follow(journal, 4) == [("ADDED", name, version) for version, name in enumerate("abcd", 2)]


def test_an_event_before_an_error_wakes_who_waits(server: ScriptedServer, open_journal: Open) -> None:
    """An event in one chunk with an error MUST be delivered at once, not with the next event."""
    plan = server.plans[POD]
    failure = event("ERROR", {"kind": "Status", "code": 500, "message": "scripted"})
    journal = open_journal()
    eventually(lambda: bool(plan.open))

    deadline = time.monotonic() + SOON
    following = journal.follow(0, deadline)
    sender = threading.Timer(0.1, lambda: server.send(POD, event("ADDED", pod("a", 2)) + failure))
    sender.start()
    entry = next(following)
    sender.join()

    assert as_line(entry) == ("ADDED", "a", 2)
    assert time.monotonic() < deadline - SOON / 2
    eventually(lambda: "500" in journal.last_error)


def test_errors_and_then_recovery(server: ScriptedServer, open_journal: Open) -> None:
    """A server that fails for a while MUST be asked again until it answers."""
    plan = server.plans[POD]
    plan.list_statuses.extend([500, 503])
    plan.watches.extend([500, 429, [event("ADDED", pod("a", 2)), HOLD]])

    journal = open_journal()

    assert follow(journal, 1) == [("ADDED", "a", 2)]
    assert plan.lists == 3
    assert plan.watched_from == ["1", "1", "1"]
    assert journal.reopenings[POD] == 4
    assert journal.failure is None


def test_a_server_that_fails_for_good_while_opening(
    server: ScriptedServer, hasty: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`open` MUST end at its limit, name the last error, and leave nothing running."""
    monkeypatch.setattr(journal_module, "MAX_BARREN_REOPENINGS", 10**6)
    server.plans[SANDBOX].list_statuses.extend([500] * 10**5)
    journal = Journal(server.connection, NAMESPACE, (POD, SANDBOX), "asc-test::unit")

    with pytest.raises(
        TimeoutError, match="not open after 0 s: Sandbox: ClientError: list Sandbox: 500 scripted"
    ):
        journal.open(0.3)

    assert leftover_tasks() == []


def test_a_server_that_never_answers(server: ScriptedServer) -> None:
    """`open` MUST end at its limit when no answer comes at all."""
    server.plans[POD].list_statuses.append(0)
    journal = Journal(server.connection, NAMESPACE, (POD,), "asc-test::unit")

    with pytest.raises(
        TimeoutError, match=f"watches of namespace {NAMESPACE} were not open after 0 s: no reply"
    ):
        journal.open(0.2)

    assert leftover_tasks() == []


@pytest.mark.parametrize("ending", [[CLOSE], 500, 410], ids=["closed", "failing", "expired"])
def test_a_watch_that_is_lost_for_good(
    server: ScriptedServer, open_journal: Open, ending: list[bytes | str] | int
) -> None:
    """A watch that only ever ends MUST be given up after so many attempts, and whoever waits told."""
    server.plans[POD].afterwards = ending

    journal = open_journal()

    with pytest.raises(Undecided, match="watch lost: Pod reopened 5 times in vain"):
        for _ in journal.follow(0, time.monotonic() + SOON):
            pass
    # Giving up ends the attempts.
    assert len(server.plans[POD].watched_from) == 5


def test_a_lost_watch_is_noticed_beside_a_lively_one(server: ScriptedServer, open_journal: Open) -> None:
    """Events of another kind MUST NOT hide that a watch has been lost."""
    server.plans[POD].afterwards = [*[bookmark(2)] * 3, CLOSE]
    boxes = [event("ADDED", build(SANDBOX, f"box-{n}", n)) for n in range(2, 400)]
    server.plans[SANDBOX].watches.append([*boxes, HOLD])

    journal = open_journal()

    eventually(lambda: journal.failure is not None)
    assert len(journal.history) < len(boxes)


@pytest.mark.parametrize("line", [b"null\n", b'{"type": "PUZZLING", "object": {"metadata": {}}}\n'])
def test_an_answer_that_makes_no_sense(server: ScriptedServer, open_journal: Open, line: bytes) -> None:
    """A stream that nobody can understand MUST end as Undecided, not in a silent journal."""
    server.plans[POD].afterwards = [line, HOLD]

    journal = open_journal()

    with pytest.raises(Undecided, match="watch lost: Pod"):
        for _ in journal.follow(0, time.monotonic() + SOON):
            pass


def test_a_kind_that_lags_is_told_of_late(server: ScriptedServer, open_journal: Open) -> None:
    """With a lag a watch MUST tell all that it has, in order, later than the watch of another kind."""
    plan, other = server.plans[POD], server.plans[SANDBOX]
    journal = open_journal(lags={POD: 0.2})
    eventually(lambda: bool(plan.open and other.open))
    began = time.monotonic()
    server.send(POD, event("ADDED", pod("first", 2)))
    server.send(POD, event("MODIFIED", pod("first", 3)))
    server.send(SANDBOX, event("ADDED", build(SANDBOX, "ahead", 4)))

    assert follow(journal, 3) == [("ADDED", "ahead", 4), ("ADDED", "first", 2), ("MODIFIED", "first", 3)]
    assert journal.history[1].received - began >= 0.2


def test_catching_up_waits_for_what_the_lists_say(server: ScriptedServer, open_journal: Open) -> None:
    """`catch_up` MUST return only when new, changed and deleted objects of the lists are in the history."""
    plan = server.plans[POD]
    plan.items = [pod("changes", 1), pod("goes", 1)]
    journal = open_journal()
    eventually(lambda: bool(plan.open))
    plan.items, plan.version = [pod("changes", 5), pod("comes", 6)], 7
    late = [
        event("MODIFIED", pod("changes", 5)),
        event("ADDED", pod("comes", 6)),
        event("DELETED", pod("goes", 7)),
    ]
    senders = [threading.Timer(0.1 * n, server.send, (POD, line)) for n, line in enumerate(late, 1)]
    for sender in senders:
        sender.start()

    journal.catch_up(SOON)

    assert [as_line(e) for e in journal.history][2:] == [
        ("MODIFIED", "changes", 5),
        ("ADDED", "comes", 6),
        ("DELETED", "goes", 7),
    ]


def test_catching_up_ignores_what_came_later(server: ScriptedServer, open_journal: Open) -> None:
    """An object that is newer than the list MUST NOT be taken for a deletion not seen."""
    plan = server.plans[POD]
    journal = open_journal()
    eventually(lambda: bool(plan.open))
    server.send(POD, event("ADDED", pod("newer", 9)))
    follow(journal, 1)

    journal.catch_up(SOON)


def test_what_is_whole_ends_where_every_kind_is_known(server: ScriptedServer, open_journal: Open) -> None:
    """A state later than one of the lists MUST be left out: another kind may have been first, unseen yet."""
    plan, other = server.plans[POD], server.plans[SANDBOX]
    journal = open_journal()
    eventually(lambda: bool(plan.open))
    for version in (7, 8, 9):
        server.send(POD, event("ADDED", pod(f"pod-{version}", version)))
    follow(journal, 3)
    journal.note(0.0, "a note", "", {})
    journal.settle()
    plan.items, plan.version, other.version = [pod(f"pod-{version}", version) for version in (7, 8, 9)], 9, 7

    whole = journal.whole(SOON)

    assert [e.object.name for e in whole] == ["pod-7", "a note"]
    assert len(journal.history) == 4


@pytest.mark.parametrize(
    ("items", "missing"),
    [
        ([build(POD, "known", 1), build(POD, "new", 5)], "Pod at resourceVersion 5 not seen"),
        ([], "deletion of a Pod not seen"),
    ],
)
def test_catching_up_with_a_silent_watch(
    server: ScriptedServer, open_journal: Open, items: list[dict[str, object]], missing: str
) -> None:
    """A watch that does not deliver what the list says MUST end as Undecided."""
    server.plans[POD].items = [pod("known", 1)]
    journal = open_journal()
    server.plans[POD].items, server.plans[POD].version = items, 5

    with pytest.raises(Undecided, match=f"did not catch up within 0 s: {missing}"):
        journal.catch_up(0.2)


@pytest.mark.parametrize("status", [500, 0], ids=["refused", "unanswered"])
def test_catching_up_with_a_list_that_fails(server: ScriptedServer, open_journal: Open, status: int) -> None:
    """A closing list that cannot be had MUST end as Undecided, and leave nothing running."""
    journal = open_journal()
    server.plans[POD].list_statuses.extend([status] * 1000)

    with pytest.raises(Undecided, match="could not be listed within 0 s"):
        journal.catch_up(0.2)


def test_one_list_that_fails_does_not_stop_catching_up(server: ScriptedServer, open_journal: Open) -> None:
    """`catch_up` MUST ask again within its limit: one refusal proves nothing."""
    journal = open_journal()
    server.plans[POD].list_statuses.extend([500, 429])

    journal.catch_up(SOON)

    assert server.plans[POD].lists == 4


def test_closing_leaves_the_history_and_nothing_else(
    server: ScriptedServer, open_journal: Open, recwarn: pytest.WarningsRecorder
) -> None:
    """After `close` the history MUST stay, and no task, connection or warning be left."""
    server.plans[POD].items = [pod("a", 1)]
    journal = open_journal()
    eventually(lambda: bool(server.plans[POD].open))

    journal.close()
    journal.close()

    assert leftover_tasks() == []
    assert [as_line(e) for e in journal.history] == [("ADDED", "a", 1)]
    assert list(recwarn) == []


def test_following_ends_at_its_deadline(open_journal: Open) -> None:
    """`follow` MUST end, without an error, when nothing more comes."""
    journal = open_journal()

    assert list(journal.follow(0, time.monotonic() + 0.05)) == []
