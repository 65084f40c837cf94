"""Loads that begin too early, ask nobody how they are treated, or leave flags to each release."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from fixtures.load.records import Barrier
from fixtures.load.site import LoadSite
from tests.unit.load import test_arms, test_preflight
from tests.unit.load.mutants import Fired, Mutant


@contextmanager
def no_barrier() -> Iterator[Fired]:
    """A repetition begins when the pool's status says that it is full, whatever the watch has seen."""
    fired = Fired()

    def wished(self: LoadSite, pool: Any, now_ns: int) -> Barrier:
        fired()
        size = pool.read().ready_replicas
        return Barrier(now_ns, 0, size, size, size, canary_seen=True)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(LoadSite, "barrier", wished)
        yield fired


@contextmanager
def no_preflight() -> Iterator[Fired]:
    """Nobody asks how the API server treats the requests."""
    fired = Fired()

    def unasked(*_: object) -> Any:
        fired()
        return test_preflight.Treatment("", "")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(test_preflight, "preflight", unasked)
        yield fired


@contextmanager
def default_flags() -> Iterator[Fired]:
    """Each controller of a comparison runs with whatever its release defaults to."""
    fired = Fired()

    def none(*_: object) -> tuple[str, ...]:
        fired()
        return ()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(test_arms, "common_flags", none)
        yield fired


MUTANTS = {
    "gen-no-barrier": Mutant(
        no_barrier,
        ("test_site.test_members_are_counted_by_watch", "test_site.test_what_is_left_is_counted_and_cleared"),
    ),
    "gen-no-preflight": Mutant(
        no_preflight, ("test_preflight.test_the_treatment_is_told_by_name_and_nothing_is_left",)
    ),
    "ab-default-flags": Mutant(default_flags, ("test_arms.test_both_arms_run_with_the_same_flags",)),
}
