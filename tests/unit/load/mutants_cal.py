"""Wrong instruments, each with the self-tests that must notice it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from fixtures.kube.connection import Connection
from fixtures.load import calibrating
from fixtures.load.threads import ThreadsGenerator, threads_generator
from tests.unit.load.mutants import Fired, Mutant


@contextmanager
def gen_threads() -> Iterator[Fired]:
    """The generator is one of threads and the official client, and says it is ours."""
    fired = Fired()

    @contextmanager
    def threads(connection: Connection, namespace: str, pool: str) -> Iterator[ThreadsGenerator]:
        with threads_generator(connection, namespace, pool) as generator:
            fired()
            yield generator

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(calibrating, "own_generator", threads)
        yield fired


@contextmanager
def env_slow() -> Iterator[Fired]:
    """The machine's CPU quota is halved: the same computing takes twice as long."""
    fired = Fired()
    real = calibrating.computing_s

    def slow(clock: Callable[[], float]) -> float:
        fired()
        return 2 * real(clock)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(calibrating, "computing_s", slow)
        yield fired


MUTANTS = {
    "gen-threads": Mutant(gen_threads, ("test_calibrating.test_a_load_is_followed_on_one_thread",)),
    "env-slow": Mutant(env_slow, ("test_calibration.test_the_machine_of_the_baseline_does_not_drift",)),
}
