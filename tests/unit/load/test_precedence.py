"""Who gets a core first while a load is offered, and that nobody keeps what was lent."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from fixtures.load.precedence import FRONT, Precedence, loop_first

Waiting = Callable[[], threading.Thread]

#: What a thread of this process has, for the calls below.
POLICIES = {os.SCHED_OTHER: "ordinary", os.SCHED_FIFO: "real-time"}


@pytest.fixture
def waiting() -> Iterator[Waiting]:
    """Starts threads that wait until the test is over."""
    over = threading.Event()
    threads: list[threading.Thread] = []

    def start() -> threading.Thread:
        threads.append(threading.Thread(target=over.wait))
        threads[-1].start()
        return threads[-1]

    yield start
    over.set()
    for thread in threads:
        thread.join()


def policy(thread: threading.Thread) -> str:
    assert thread.native_id is not None
    return POLICIES[os.sched_getscheduler(thread.native_id) & ~os.SCHED_RESET_ON_FORK]


def refuse(*_: Any) -> None:
    raise PermissionError


def test_all_threads_go_first_for_the_load_alone(waiting: Waiting) -> None:
    """Threads MUST be real-time ones, if they may, for the load alone; what starts meanwhile MUST NOT be."""
    before = waiting()
    with loop_first() as precedence:
        lent = "real-time" if precedence is Precedence.REAL_TIME else "ordinary"
        meanwhile = waiting()
        assert [policy(thread) for thread in (threading.main_thread(), before, meanwhile)] == [
            lent,
            lent,
            "ordinary",
        ]

    assert {policy(thread) for thread in (threading.main_thread(), before, meanwhile)} == {"ordinary"}


@pytest.mark.parametrize("nice_allowed", [True, False])
def test_who_may_not_be_real_time_takes_what_there_is(
    nice_allowed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is not allowed MUST be told, and stop nothing."""
    given: list[tuple[int, int]] = []

    def set_priority(_: int, thread: int, niceness: int) -> None:
        given.append((thread, niceness))

    monkeypatch.setattr(os, "sched_setscheduler", refuse)
    monkeypatch.setattr(os, "setpriority", set_priority if nice_allowed else refuse)
    monkeypatch.setattr(os, "getpriority", lambda *_: 3)
    with loop_first() as precedence:
        assert precedence is (Precedence.NICE if nice_allowed else Precedence.NONE)

    me = threading.get_native_id()
    assert [niceness for thread, niceness in given if thread == me] == ([FRONT, 3] if nice_allowed else [])


def test_a_thread_that_has_ended_is_no_error(waiting: Waiting, monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread that ends between being listed and being lent a priority MUST NOT stop the load."""

    def gone(*_: Any) -> None:
        raise ProcessLookupError

    waiting()
    monkeypatch.setattr(os, "sched_setscheduler", gone)
    with loop_first() as precedence:
        assert precedence is Precedence.REAL_TIME
