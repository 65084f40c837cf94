"""What the generator measures of itself, and what it asks of the interpreter meanwhile."""

from __future__ import annotations

import gc
import sys
from typing import Any

import pytest

from fixtures.load.instrument import GcPauses, collector_at_rest
from fixtures.load.precedence import SWITCH_INTERVAL, loop_first
from fixtures.load.schedule import burst, constant
from tests.unit.load.virtual import Ways, virtual_load


def test_the_collector_rests_during_a_load_only() -> None:
    """No collection MUST begin while claims are made; afterwards everything is as it was."""
    during: list[tuple[bool, float]] = []
    before = (gc.isenabled(), gc.get_freeze_count(), sys.getswitchinterval())
    with virtual_load() as load:
        load.system.on_create = lambda _: during.append((gc.isenabled(), sys.getswitchinterval()))
        load.generator.offer(burst(2))

    assert during == [(False, pytest.approx(SWITCH_INTERVAL))] * 2
    assert (gc.isenabled(), gc.get_freeze_count(), sys.getswitchinterval()) == before


def test_a_collector_that_was_off_stays_off() -> None:
    """What somebody else has switched off MUST NOT be switched on, not even by an error."""
    gc.disable()
    try:
        with pytest.raises(ZeroDivisionError), collector_at_rest(), loop_first():
            raise ZeroDivisionError
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_collections_are_timed() -> None:
    """Each collection MUST give one pause, from its beginning to its end, and none after `stop`."""
    readings = iter([10, 35])
    pauses = GcPauses(lambda: next(readings))
    with collector_at_rest():
        pauses.start()
        pauses._note("start", {})
        pauses._note("stop", {})
        assert pauses._note in gc.callbacks
        pauses.stop()

    assert pauses.samples == [25]
    assert pauses._note not in gc.callbacks
    pauses.stop()


def test_a_collection_in_the_middle_of_a_load_is_reported() -> None:
    """A collection that happens all the same MUST be in the account of the repetition."""
    with virtual_load() as load:
        load.system.on_create = lambda _: gc.collect() and None
        repetition = load.generator.offer(constant(10, 3))

    assert len(repetition.instrument.gc_pauses_ns) == 3


def test_connections_opened_in_the_middle_are_reported() -> None:
    """The count MUST be that of the repetition, not of the run."""
    with virtual_load() as load:

        def reopen(_: Any) -> Ways:
            load.system.opened_after_start += 1
            return Ways()

        load.system.ways = reopen
        first = load.generator.offer(burst(2))
        second = load.generator.offer(burst(3), rep=1)

    counts = [one.instrument.connections_opened_after_start for one in (first, second)]
    assert counts == [2, 3]
    assert first.instrument.cpu_s > 0
