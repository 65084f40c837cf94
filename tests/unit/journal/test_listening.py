"""Listeners of the journal: told of every entry where it is received, and of every time without a watch."""

from __future__ import annotations

import threading

from fixtures.journal import Entry
from fixtures.journal.journal import Interruption
from fixtures.kube.kinds import POD, SANDBOX
from tests.unit.journal.conftest import Open, eventually
from tests.unit.journal.objects import build
from tests.unit.journal.scripted import CLOSE, HOLD, ScriptedServer, event, expired


def pod(name: str, version: int) -> dict[str, object]:
    return build(POD, name, version)


def test_every_entry_is_told_on_the_background_loop(server: ScriptedServer, open_journal: Open) -> None:
    """A listener MUST get each entry, the GAP and what a relist finds too, in order, on the one loop."""
    plan = server.plans[POD]
    plan.watches.append([HOLD])
    journal = open_journal()
    told: list[Entry] = []
    threads: set[str] = set()

    def listener(entry: Entry) -> None:
        told.append(entry)
        threads.add(threading.current_thread().name)

    journal.listen(listener)
    eventually(lambda: bool(plan.open))
    plan.items, plan.version = [pod("a", 2), pod("b", 5)], 6
    server.send(POD, event("ADDED", pod("a", 2)), expired())
    eventually(lambda: len(journal.history) == 3)
    eventually(lambda: len(told) == 3)

    assert told == list(journal.history)
    assert [(e.type.value, e.relisted) for e in told] == [("ADDED", False), ("GAP", False), ("ADDED", True)]
    assert threads == {"journal"}


def test_who_has_stopped_listening_is_told_nothing(server: ScriptedServer, open_journal: Open) -> None:
    """After the listening has ended no entry MUST reach the listener; others go on to hear."""
    plan = server.plans[POD]
    journal = open_journal()
    gone: list[Entry] = []
    stays: list[Entry] = []
    stop = journal.listen(gone.append)
    journal.listen(stays.append)
    stop()
    eventually(lambda: bool(plan.open))

    server.send(POD, event("ADDED", pod("a", 2)))

    eventually(lambda: len(stays) == 1)
    assert gone == []


def test_a_time_without_a_watch_is_counted(server: ScriptedServer, open_journal: Open) -> None:
    """Each end of a watch MUST be told when it happens and when it is over; relists and seconds add up."""
    plan = server.plans[POD]
    plan.watches.append([HOLD])
    journal = open_journal()
    eventually(lambda: bool(plan.open))
    seen: list[tuple[str, bool, bool]] = []

    def noted(interruption: Interruption) -> None:
        seen.append((interruption.kind.name, interruption.ended is not None, interruption.relisted))

    journal.listen(lambda _: None, noted)
    assert journal.interruptions == []
    assert journal.gap_seconds() == 0.0

    plan.version = 9
    server.send(POD, expired())
    eventually(lambda: len(seen) == 2)

    assert seen == [("Pod", False, False), ("Pod", True, True)]
    assert journal.relists == {POD: 1, SANDBOX: 0}
    (only,) = journal.interruptions
    assert only.ended is not None
    assert journal.gap_seconds() == only.ended - only.began > 0
    assert journal.gap_seconds(since=only.ended) == 0.0


def test_a_resumed_watch_is_an_interruption_without_a_relist(
    server: ScriptedServer, open_journal: Open
) -> None:
    """A stream that the server closes MUST count as interruption, although nothing is lost."""
    plan = server.plans[POD]
    plan.watches.append([event("ADDED", pod("a", 2)), CLOSE])
    journal = open_journal()

    eventually(lambda: any(i.ended is not None for i in journal.interruptions))

    assert [(i.kind, i.reason, i.relisted) for i in journal.interruptions] == [
        (POD, "closed by the server", False)
    ]
    assert journal.relists[POD] == 0


def test_a_listener_that_fails_is_not_passed_over(server: ScriptedServer, open_journal: Open) -> None:
    """What a listener raises MUST end the watch and be named, or its reader would go on in silence."""
    plan = server.plans[POD]
    journal = open_journal()
    eventually(lambda: bool(plan.open))

    def broken(_: Entry) -> None:
        raise ValueError("listener is broken")

    journal.listen(broken)
    server.send(POD, event("ADDED", pod("a", 2)))

    eventually(lambda: journal.failure is not None)
    assert "listener is broken" in str(journal.failure)
