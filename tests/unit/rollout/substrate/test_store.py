"""The substrate's state in SQLite."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from reference.rollout.ateapi import Status
from reference.rollout.substrate.errors import RefusedError
from reference.rollout.substrate.model import Actor, ActorRef, Template
from reference.rollout.substrate.store import Store, Workload
from tests.unit.rollout.substrate.harness import worker

A = Actor(ActorRef("", "a"), Template("ns", "t"), selector={"k": "v"})


def test_what_was_written_is_there_after_opening_again(tmp_path: Path) -> None:
    """Another process MUST find everything, without the first having closed its file."""
    first = Store(tmp_path)
    first.put_worker(worker())
    first.create_actor(A)
    written = first.update_actor(replace(A, status=Status.RUNNING, worker=worker()))
    first.put_snapshot("gs://s", {"served": 1})
    first.put_workload(Workload(A.ref, 1, 2.5, 3))

    second = Store(tmp_path)
    assert second.actor(A.ref) == written
    assert [(found.pod, actor) for found, actor in second.workers()] == [("pool-1", written)]
    assert second.free_workers() == []
    assert second.snapshot("gs://s") == {"served": 1}
    assert second.workloads() == [Workload(A.ref, 1, 2.5, 3)]


def test_an_update_of_an_old_version_is_refused(tmp_path: Path) -> None:
    """Of two changes to one version, the second MUST be ABORTED."""
    store = Store(tmp_path)
    store.create_actor(A)
    assert store.update_actor(replace(A, status=Status.RESUMING)).version == 2
    with pytest.raises(RefusedError, match="concurrent update conflict, please retry"):
        store.update_actor(replace(A, status=Status.RUNNING))
    assert store.actor(A.ref).status is Status.RESUMING


def test_a_worker_has_one_actor(tmp_path: Path) -> None:
    """Two actors on one worker MUST be impossible to write."""
    store = Store(tmp_path)
    store.put_worker(worker())
    store.create_actor(replace(A, worker=worker()))
    with pytest.raises(RefusedError):
        store.create_actor(replace(A, worker=worker()))
    store.create_actor(replace(A, ref=ActorRef("", "b")))
    with pytest.raises(sqlite3.IntegrityError):
        store.update_actor(replace(A, ref=ActorRef("", "b"), worker=worker()))


def test_a_transaction_that_fails_leaves_nothing(tmp_path: Path) -> None:
    """Changes of a body that raises MUST all be undone."""
    store = Store(tmp_path)
    with pytest.raises(RuntimeError), store.transaction():
        store.create_actor(A)
        store.put_worker(worker())
        raise RuntimeError
    assert (store.actors(), store.workers()) == ([], [])


def test_a_newer_workload_is_not_forgotten_with_the_older(tmp_path: Path) -> None:
    """Forgetting a process MUST NOT forget the one that took its place."""
    store = Store(tmp_path)
    store.put_workload(Workload(A.ref, 2, 0.0, 3))
    store.delete_workload(Workload(A.ref, 1, 0.0, 3))
    assert store.workload(A.ref) == Workload(A.ref, 2, 0.0, 3)


def test_actors_are_found_by_atespace_and_by_name(tmp_path: Path) -> None:
    """Names MUST be told apart by atespace, and found without one."""
    store = Store(tmp_path)
    for atespace in ("s1", "s2"):
        store.create_actor(replace(A, ref=ActorRef(atespace, "a")))
    assert [actor.ref.atespace for actor in store.actors("s2")] == ["s2"]
    assert [actor.ref.atespace for actor in store.actors_named("a")] == ["s1", "s2"]
    assert store.actors("s3") == []
