"""Sequences of acts: what is drawn, and that each act does what it is called."""

from __future__ import annotations

from typing import Any

import pytest

from fixtures.falsify import search
from fixtures.system.rollout.acts import (
    Act,
    Ask,
    HangUp,
    Kill,
    LoseWorker,
    Outage,
    Pause,
    Say,
    Sequence,
    Stream,
    UseModel,
    boots,
    play,
    sequences,
)


class Recorder:
    """A subject that notes what happens to it."""

    def __init__(self) -> None:
        self.seen: list[tuple[Any, ...]] = []

    def __getattr__(self, name: str) -> Any:
        return lambda *given, **named: self.seen.append((name, *given, *named.values()))


def test_acts_happen_in_their_order() -> None:
    """Each act MUST reach the subject as what it is."""
    recorder = Recorder()
    play(
        (
            Say("one"),
            UseModel("m-1"),
            Ask("s-1"),
            Stream("s-2"),
            HangUp(),
            Outage(True),
            Kill("gateway", 3),
            LoseWorker(1),
            Pause(4),
        ),
        recorder,
    )

    assert recorder.seen == [
        ("say", "one"),
        ("use_model", "m-1"),
        ("ask", "s-1"),
        ("stream", "s-2"),
        ("hang_up",),
        ("outage", True),
        ("kill", "gateway", 3),
        ("lose_worker", 1),
        ("pause", 4),
    ]


def tried(complain: Any = lambda _: "", *, seed: int = 1, tries: int = 40) -> tuple[Any, list[Sequence]]:
    """What a search finds, and the sequences that it tried."""
    seen: list[Sequence] = []

    def noting(sequence: Sequence) -> str:
        seen.append(sequence)
        return str(complain(sequence))

    found, _ = search(sequences(), noting, seed=seed, tries=tries, shrinks=40)
    return found, seen


def test_sequences_are_new_and_of_all_kinds() -> None:
    """Forty sequences MUST be different, as long as they may be, and have every kind of act in them."""
    _, seen = tried()

    assert len(set(seen)) == 40
    assert {len(sequence) for sequence in seen} <= set(range(5, 15))
    assert {type(act) for sequence in seen for act in sequence} == {*Act.__subclasses__()}


def test_the_same_seed_draws_the_same() -> None:
    """A failing sequence MUST come back with its seed."""
    assert tried(seed=5)[1] == tried(seed=5)[1]
    assert tried(seed=5)[1] != tried(seed=6)[1]


def test_a_failing_sequence_is_made_small() -> None:
    """What has nothing to do with a failure MUST be left out, as far as so few tries go."""

    def stranded(sequence: Sequence) -> str:
        kinds = [type(act) for act in sequence]
        return "stranded" if Stream in kinds and Say in kinds[kinds.index(Stream) :] else ""

    found, seen = tried(stranded)

    assert found is not None
    assert len(found.case) == 5
    assert "stranded\n  case    (" in str(found)
    assert "with --seed 1" in str(found)


@pytest.mark.parametrize(("message", "expected"), [("one", True), ("four workload-boot=fail", False)])
def test_messages_that_let_nothing_boot_are_known(message: str, expected: bool) -> None:
    """The last configuration of a sequence MUST be one that can serve."""
    assert boots(message) is expected
