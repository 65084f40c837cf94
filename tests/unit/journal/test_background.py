"""How late the event loop of the journals was."""

from __future__ import annotations

import time

import pytest

from fixtures.journal.background import background
from fixtures.kube.kinds import POD
from tests.unit.journal.conftest import SOON, Open, eventually

#: Seconds for which the loop is held up.
BLOCKED = 0.3


async def hold_up() -> None:
    """Keep the loop from everything else."""
    time.sleep(BLOCKED)


def test_a_loop_that_was_held_up_says_by_how_much() -> None:
    """Its lateness MUST be told for the time in which it was late, and not for what comes after."""
    before = time.monotonic()
    background().run(hold_up(), SOON)
    eventually(lambda: background().lateness(before) >= BLOCKED / 2)

    assert background().lateness(before) < BLOCKED + SOON
    assert background().lateness(time.monotonic() + SOON) == 0.0


@pytest.mark.parametrize("lag", [0.0, 0.2])
def test_what_a_journal_may_hear_late(open_journal: Open, lag: float) -> None:
    """The lateness of a journal MUST be that of its loop, with the largest lag that it was given."""
    journal = open_journal(lags={POD: lag})
    later = time.monotonic() + SOON

    assert journal.lateness(later) == lag
