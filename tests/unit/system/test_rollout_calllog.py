"""The calls to ate-api that a journal has notes of."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fixtures.journal.history import EntryType, History
from fixtures.kube.kinds import ACTOR_TEMPLATE
from fixtures.system.rollout.calllog import CallLog
from fixtures.system.rollout.events import CALL, TURN, Call, note


class Notes:
    """A history, and calls that are noted in it."""

    def __init__(self) -> None:
        self.history = History()
        self.log = CallLog(self.history)

    def say(self, call: Call) -> Call:
        """Note a call as it is."""
        self.history.record_note(1.0, CALL, str(call), note(call.source, "v", "o", {"call": call}))
        return call

    def begin(self, number: int, method: str = "GetActor", source: str = "gateway", actor: str = "a") -> Call:
        """Note that a call begins."""
        return self.say(Call(number, source, method, actor, {}, 1.0))

    def end(self, call: Call, code: str = "OK") -> Call:
        """Note that a call has ended."""
        return self.say(replace(call, ended=2.0, code=code))


@pytest.fixture
def notes() -> Notes:
    """An empty history and its log."""
    return Notes()


def test_a_call_is_under_way_from_its_begin_to_its_end(notes: Notes) -> None:
    """A call MUST be under way until its end is noted, however often anybody looks, and whatever it is."""
    first, second = notes.begin(1), notes.begin(2)
    assert notes.log.under_way("a")
    assert not notes.log.under_way("b")
    assert notes.log.ended() == []

    notes.end(second)
    assert notes.log.under_way("a")

    notes.end(first, "ABORTED")
    assert not notes.log.under_way("a")
    assert [(c.number, c.code) for c in notes.log.ended()] == [(2, "OK"), (1, "ABORTED")]


def test_calls_are_found_by_what_they_are(notes: Notes) -> None:
    """Calls MUST be found by method, source and actor, alone or together, and from a position on."""
    notes.end(notes.begin(1, "GetActor", "gateway", "a"))
    notes.end(notes.begin(2, "GetActor", "controller", "b"))
    since = len(notes.history)
    notes.end(notes.begin(3, "DeleteActor", "controller", "a"))

    def numbers(method: str = "", **which: str | int) -> list[int]:
        return [c.number for c in notes.log.ended(method, **which)]  # type: ignore[arg-type]

    assert numbers() == [1, 2, 3]
    assert numbers("GetActor") == [1, 2]
    assert numbers(source="controller", actor="a") == [3]
    assert numbers(since=since) == [3]
    assert numbers("GetActor", since=since) == []


def test_other_entries_are_no_calls(notes: Notes) -> None:
    """States, gaps and notes about something else MUST be passed over, and each entry be read once."""
    notes.history.record(1.0, ACTOR_TEMPLATE, EntryType.ADDED, {"metadata": {"uid": "u"}})
    notes.history.record_gap(1.0, ACTOR_TEMPLATE, "closed")
    notes.history.record_note(1.0, TURN, "a turn", note("user", "v", "o", {"actor": "a"}))
    notes.end(notes.begin(1))

    assert len(notes.log.ended()) == 1
    assert len(notes.log.ended()) == 1
