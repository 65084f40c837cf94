"""Claims on a queued pool: what decides nothing is not run, and commits are read from the journal."""

from __future__ import annotations

from typing import Any, cast

import pytest

from fixtures.errors import Undecided
from fixtures.journal.history import EntryType, History
from fixtures.kube.kinds import CLAIM
from fixtures.nodespread import QueuedPool
from fixtures.system.agent_sandbox.candidates import Commit, queue
from fixtures.system.agent_sandbox.views import ASSIGNED, Claim
from tests.unit.journal.objects import build


class Untouched:
    """Stands for what must not be used."""

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"{name} was used")


def pool(text: str, wait: Any = None) -> QueuedPool:
    """A pool with this queue, whose members' sandboxes are named after them."""
    start = queue(text)
    untouched = cast(Any, Untouched())
    return QueuedPool(untouched, start, {f"sb-{m.name}": m.name for m in start}, untouched, wait or untouched)


def test_a_queue_that_decides_nothing_is_undecided_before_any_claim() -> None:
    """Where a wrong order would take the same members, no claim MUST be made and nothing be passed."""
    even = pool("a1@n1 b1@n2")

    with pytest.raises(Undecided, match="a1@n1 b1@n2 looks the same for: fewest first, first in, first out"):
        even.claim_one_by_one(2)
    with pytest.raises(Undecided, match="round robin"):
        pool("a1@n1 a2@n1 b1@n2").claim_together(3)


class Recorded:
    """A wait over a history that is written down by hand."""

    def __init__(self) -> None:
        self.written = History()
        self.version = 0

    def history(self) -> History:
        """What is written down."""
        return self.written

    def claim(self, name: str, assigned: str = "", bound: str = "") -> Any:
        """One state of a claim; returns what stands for its handle."""
        self.version += 1
        fields: dict[str, Any] = {"annotations": {ASSIGNED: assigned} if assigned else {}}
        fields |= {"status": {"sandbox": {"name": bound}} if bound else {}}
        state = build(CLAIM, name, self.version, **fields)
        self.written.record(0.0, CLAIM, EntryType.MODIFIED, state)

        class Handle:
            uid = f"uid-{name}"
            created = Claim(state)

        Handle.name = name  # type: ignore[attr-defined]
        return Handle


def test_commits_come_in_the_order_in_which_they_were_stored() -> None:
    """Each commit MUST say what was taken, and how many of the claims had been created by then."""
    recorded = Recorded()
    first = recorded.claim("first")
    second = recorded.claim("second")
    recorded.claim("second", assigned="sb-a1")
    third = recorded.claim("third")
    recorded.claim("third", assigned="sb-b1")
    recorded.claim("second", assigned="sb-a1", bound="sb-a1")
    recorded.claim("first", bound="first")

    found = pool("a1@n1 b1@n2", recorded)._commits([first, second, third])

    # A cold start commits nothing: what counts is its status.
    assert found == [Commit("a1", 2), Commit("b1", 3), Commit("cold", 3)]
