"""The history: what a stream of watch events leaves behind, clean streams and bad ones."""

from __future__ import annotations

import gc
import threading
import time

from hypothesis import given, settings
from hypothesis import strategies as st

from fixtures.journal.history import Entry, EntryType, History
from fixtures.kube.kinds import CLAIM, POD, SANDBOX
from tests.unit.journal.objects import build

ADDED, MODIFIED, DELETED, GAP = EntryType.ADDED, EntryType.MODIFIED, EntryType.DELETED, EntryType.GAP


def lines(history: History | list[Entry]) -> list[tuple[str, str, int]]:
    """The entries as (type, name, resourceVersion)."""
    return [(e.type.value, e.object.name, e.object.resource_version) for e in history]


def test_a_clean_stream_is_kept_as_it_came() -> None:
    """Every event MUST become one entry, numbered in the order of arrival."""
    history = History()

    history.record(1.0, POD, ADDED, build(POD, "a", 1))
    history.record(1.5, POD, MODIFIED, build(POD, "a", 2))
    history.record(2.0, POD, DELETED, build(POD, "a", 3))

    assert lines(history) == [("ADDED", "a", 1), ("MODIFIED", "a", 2), ("DELETED", "a", 3)]
    assert [(e.seq, e.received, e.relisted) for e in history] == [
        (0, 1.0, False),
        (1, 1.5, False),
        (2, 2.0, False),
    ]
    assert history.live(POD) == []
    assert history[2].deleted
    assert lines(history.since(2)) == [("DELETED", "a", 3)]


def test_a_repeated_event_says_nothing_new() -> None:
    """An event that is sent again MUST NOT become a second entry."""
    history = History()

    first = history.record(1.0, POD, ADDED, build(POD, "a", 1))
    again = history.record(2.0, POD, ADDED, build(POD, "a", 1))

    assert first is not None
    assert again is None
    assert len(history) == 1


def test_first_seen_as_modified_counts_as_added() -> None:
    """The first state of an object MUST be its ADDED, and a later ADDED (after a relist) a MODIFIED."""
    history = History()

    history.record(1.0, POD, MODIFIED, build(POD, "a", 5))
    history.record(2.0, POD, ADDED, build(POD, "a", 6))

    assert lines(history) == [("ADDED", "a", 5), ("MODIFIED", "a", 6)]


def test_older_states_are_dropped() -> None:
    """A state older than the last one MUST NOT take its place."""
    history = History()
    history.record(1.0, POD, ADDED, build(POD, "a", 5))

    assert history.record(2.0, POD, MODIFIED, build(POD, "a", 4)) is None

    assert [s.resource_version for s in history.live(POD)] == [5]


def test_a_deleted_object_stays_deleted() -> None:
    """Nothing that is sent again after the deletion MUST bring the object back."""
    history = History()
    history.record(1.0, POD, ADDED, build(POD, "a", 1))
    history.record(2.0, POD, DELETED, build(POD, "a", 2))

    again = [
        history.record(3.0, POD, ADDED, build(POD, "a", 1)),
        history.record(3.0, POD, MODIFIED, build(POD, "a", 9)),
        history.record(3.0, POD, DELETED, build(POD, "a", 2)),
    ]

    assert again == [None, None, None]
    assert history.named(POD, "a") is None


def test_a_deletion_counts_whatever_its_version() -> None:
    """A DELETED with the version of the last state (as some servers send it) MUST be recorded."""
    history = History()
    history.record(1.0, POD, ADDED, build(POD, "a", 5))

    history.record(2.0, POD, DELETED, build(POD, "a", 5))

    assert lines(history) == [("ADDED", "a", 5), ("DELETED", "a", 5)]


def test_a_name_that_is_used_again_is_another_object() -> None:
    """An object of the same name with a new UID MUST have a life of its own."""
    history = History()
    history.record(1.0, POD, ADDED, build(POD, "a", 1, uid="first"))
    history.record(2.0, POD, DELETED, build(POD, "a", 2, uid="first"))
    history.record(3.0, POD, ADDED, build(POD, "a", 3, uid="second"))

    found = history.named(POD, "a")

    assert found is not None
    assert found.uid == "second"
    assert lines(history.of(POD, uid="first")) == [("ADDED", "a", 1), ("DELETED", "a", 2)]
    assert lines(history.of(POD, uid="second")) == [("ADDED", "a", 3)]
    assert len(history.of(POD, name="a")) == 3


def test_one_uid_in_two_kinds_is_two_objects() -> None:
    """Objects of different kinds MUST NOT be mixed up."""
    history = History()
    history.record(1.0, POD, ADDED, build(POD, "a", 1, uid="same"))
    history.record(2.0, SANDBOX, ADDED, build(SANDBOX, "a", 2, uid="same"))

    assert [s.resource_version for s in history.live(POD)] == [1]
    assert [s.resource_version for s in history.live(SANDBOX)] == [2]
    assert history.live(CLAIM) == []


def test_a_list_tells_what_was_missed() -> None:
    """A list MUST add what appeared, changed or vanished since, marked as relisted, and nothing else."""
    history = History()
    for name in ("same", "changed", "vanished"):
        history.record(1.0, POD, ADDED, build(POD, name, 1))
    history.record(1.0, SANDBOX, ADDED, build(SANDBOX, "vanished", 1))

    found = history.record_list(
        9.0, POD, [build(POD, "same", 1), build(POD, "changed", 7), build(POD, "appeared", 8)]
    )

    assert lines(found) == [("DELETED", "vanished", 1), ("MODIFIED", "changed", 7), ("ADDED", "appeared", 8)]
    assert all(e.relisted and e.received == 9.0 for e in found)
    assert {s.name for s in history.live(POD)} == {"same", "changed", "appeared"}
    assert history.named(SANDBOX, "vanished") is not None


def test_the_same_list_twice_says_nothing_new() -> None:
    """A list that agrees with the history MUST leave no entry."""
    history = History()
    objects = [build(POD, "a", 1), build(POD, "b", 2)]
    history.record_list(1.0, POD, objects)

    assert history.record_list(2.0, POD, iter(objects)) == []


def test_a_gap_is_neither_state_nor_object() -> None:
    """A GAP MUST be found as one, and MUST NOT show among the states."""
    history = History()
    history.record(1.0, POD, ADDED, build(POD, "a", 1))
    history.record_gap(2.0, POD, "410")
    history.record(3.0, POD, MODIFIED, build(POD, "a", 5))

    assert [(e.seq, e.type, e.object.raw) for e in history.gaps()] == [(1, GAP, {"message": "410"})]
    assert history.gaps(since=2) == []
    assert (
        lines(history.of(POD))
        == lines(history.by_resource_version())
        == [("ADDED", "a", 1), ("MODIFIED", "a", 5)]
    )
    assert len(history) == 3


def test_live_objects_come_oldest_first() -> None:
    """Live objects MUST be in the order of their creation, and by name within one second."""
    history = History()
    history.record(1.0, POD, ADDED, build(POD, "z", 1, creationTimestamp="2030-01-01T00:00:00Z"))
    history.record(1.0, POD, ADDED, build(POD, "b", 2, creationTimestamp="2030-01-01T00:00:01Z"))
    history.record(1.0, POD, ADDED, build(POD, "a", 3, creationTimestamp="2030-01-01T00:00:01Z"))

    assert [s.name for s in history.live(POD)] == ["z", "a", "b"]


def test_the_order_across_kinds_is_the_servers() -> None:
    """Events of two watches MUST be put in the order in which the server stored them."""
    history = History()
    history.record(1.0, CLAIM, ADDED, build(CLAIM, "claim", 10))
    history.record(2.0, CLAIM, MODIFIED, build(CLAIM, "claim", 30))
    history.record(3.0, SANDBOX, ADDED, build(SANDBOX, "box", 20))

    assert [e.object.resource_version for e in history.by_resource_version()] == [10, 20, 30]
    assert [e.object.resource_version for e in history] == [10, 30, 20]


def test_reading_states_is_safe_while_the_watch_goes_on() -> None:
    """Objects that appear while the live ones are being read MUST NOT break the reading."""
    history = History()
    history.record(1.0, POD, ADDED, build(POD, "a", 1))

    class Busy:
        """Equal to POD; each comparison takes so long that another Pod has appeared meanwhile."""

        def __eq__(self, other: object) -> bool:
            number = len(history) + 1
            history.record(float(number), POD, ADDED, build(POD, f"late-{number}", number))
            return other == POD

        __hash__ = None  # type: ignore[assignment]

    assert [s.name for s in history.live(Busy())] == ["a"]  # type: ignore[arg-type]
    assert len(history) == 2


def test_reading_states_is_safe_when_a_collection_lets_the_watch_go_on() -> None:
    """A garbage collection in the middle of a copy MUST NOT let a watch change what is copied."""
    history = History()

    def appear(number: int) -> None:
        history.record(float(number), POD, ADDED, build(POD, f"pod-{number}", number))

    def watch() -> None:
        for number in range(5000, 6000):
            appear(number)
            time.sleep(0)

    def let_go(_phase: str, _info: dict[str, int]) -> None:
        time.sleep(0.001)

    # More than Python keeps free tuples for, so that copying makes new ones.
    for number in range(5000):
        appear(number)
    thresholds = gc.get_threshold()
    writer = threading.Thread(target=watch)
    writer.start()
    gc.callbacks.append(let_go)
    gc.set_threshold(100, 1000, 1000)
    try:
        sizes = [len(history.live(POD)) for _ in range(5)]
    finally:
        gc.set_threshold(*thresholds)
        gc.callbacks.remove(let_go)
        writer.join()

    assert sizes == sorted(sizes)
    assert sizes[-1] > sizes[0]


def test_iterating_is_safe_while_the_watch_goes_on() -> None:
    """A reader MUST see the history as it was when it began."""
    history = History()
    history.record(1.0, POD, ADDED, build(POD, "a", 1))

    seen = [history.record(2.0, POD, MODIFIED, build(POD, "a", 2)) for _ in history]

    assert len(seen) == 1


# One life of an object: how many states it has and whether it is deleted at the end.
LIVES = st.lists(st.tuples(st.integers(1, 4), st.booleans()), min_size=1, max_size=5)


@st.composite
def worlds(draw: st.DrawFn) -> list[tuple[EntryType, int, int]]:
    """What really happened: (type, object, resourceVersion) in the order of the server."""
    events = [
        (number, ADDED if step == 0 else DELETED if dies and step == states - 1 else MODIFIED)
        for number, (states, dies) in enumerate(draw(LIVES))
        for step in range(states)
    ]
    order = draw(st.permutations([number for number, _ in events]))
    queues = {number: [t for n, t in events if n == number] for number, _ in events}
    return [(queues[number].pop(0), number, version) for version, number in enumerate(order, 1)]


def recorded(stream: list[tuple[EntryType, int, int]]) -> History:
    history = History()
    for type_, number, version in stream:
        history.record(float(version), POD, type_, build(POD, f"pod-{number}", version))
    return history


@given(worlds(), st.data())
@settings(deadline=None, database=None, max_examples=30)
def test_resent_events_change_nothing(world: list[tuple[EntryType, int, int]], data: st.DataObject) -> None:
    """However often a server sends events again, the history MUST be that of the clean stream."""
    noisy: list[tuple[EntryType, int, int]] = []
    for index, event in enumerate(world):
        noisy.append(event)
        again = data.draw(st.lists(st.integers(0, index), max_size=3))
        # A server resends in order, from some version on: a deletion is never followed by older states
        # of the same object that the reader has not seen.
        noisy += [world[i] for i in sorted(again)]

    clean, disturbed = recorded(world), recorded(noisy)

    assert [(e.type, e.object) for e in disturbed] == [(e.type, e.object) for e in clean]


@given(worlds(), st.data())
@settings(deadline=None, database=None, max_examples=30)
def test_a_list_makes_up_for_any_loss(world: list[tuple[EntryType, int, int]], data: st.DataObject) -> None:
    """Whatever events are lost, a list at the end MUST leave the live objects as they are."""
    kept = data.draw(
        st.lists(st.sampled_from(world), unique=True).map(lambda e: sorted(e, key=lambda x: x[2]))
    )
    truth = recorded(world).live(POD)
    lossy = recorded(kept)

    lossy.record_list(99.0, POD, [dict(s.raw) for s in truth])

    assert lossy.live(POD) == truth


@given(worlds(), worlds(), st.data())
@settings(deadline=None, database=None, max_examples=30)
def test_any_interleaving_of_two_watches_gives_one_order(
    pods: list[tuple[EntryType, int, int]], claims: list[tuple[EntryType, int, int]], data: st.DataObject
) -> None:
    """However two watches interleave, `by_resource_version` MUST be the order of the server."""
    queues = {POD: list(pods), CLAIM: list(claims)}
    order = data.draw(st.permutations([POD] * len(pods) + [CLAIM] * len(claims)))
    history = History()
    for kind in order:
        type_, number, version = queues[kind].pop(0)
        # Even versions are Pods, odd ones claims: no version is used twice on one server.
        stored = 2 * version + (kind == CLAIM)
        history.record(0.0, kind, type_, build(kind, f"{kind}-{number}", stored))

    versions = [e.object.resource_version for e in history.by_resource_version()]

    assert versions == sorted(versions)
    assert len(versions) == len(order)
