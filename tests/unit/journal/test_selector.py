"""What the event loop waits with."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from fixtures.journal import selector as selector_module
from fixtures.journal.background import background
from fixtures.journal.selector import precise_selector


def shortest_wait(timeout: float) -> float:
    """The shortest of many waits for nothing, in seconds: a busy machine makes many longer, never all."""
    with precise_selector() as waiting:
        reader, writer = os.pipe()
        waiting.register(reader, 1)
        found = []
        for _ in range(300):
            before = time.monotonic()
            assert waiting.select(timeout) == []
            found.append(time.monotonic() - before)
        os.close(reader)
        os.close(writer)
    return min(found)


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="epoll is Linux's")
def test_a_wait_is_not_rounded_up_to_a_millisecond() -> None:
    """A loop that waits for an instant 0.2 ms away MUST wake then, and not before."""
    assert 0.0002 <= shortest_wait(0.0002) < 0.0009


def test_what_is_ready_ends_the_wait() -> None:
    """Bytes that come MUST end a wait at once, with, without and with a past timeout."""
    with precise_selector() as waiting:
        reader, writer = os.pipe()
        waiting.register(reader, 1, "data")
        os.write(writer, b"x")
        for timeout in (30.0, None, 0.0, -1.0):
            assert [(key.data, events) for key, events in waiting.select(timeout)] == [("data", 1)]
        os.close(reader)
        os.close(writer)


def test_a_descriptor_beyond_select_is_waited_for_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where select(2) cannot go the wait MUST fall back to milliseconds, not fail."""
    monkeypatch.setattr(selector_module, "FD_SETSIZE", 0)
    assert shortest_wait(0.0002) >= 0.0002


def test_the_journals_loop_waits_with_it() -> None:
    """The one background loop MUST be the precise one."""
    assert type(background().loop._selector) is type(precise_selector())
