"""The substrate's state, in SQLite: whatever happens to the process, a change is there wholly or not at all.

A worker is assigned by its actor's record alone, so that the two can never disagree. Used from one thread.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from reference.rollout.ateapi import Status
from reference.rollout.substrate.errors import aborted, exists, missing
from reference.rollout.substrate.model import Actor, ActorRef, Template, Worker

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS atespaces (name TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS workers (
    namespace TEXT, pod TEXT, pool TEXT, uid TEXT, ip TEXT, node TEXT, version INTEGER,
    PRIMARY KEY (namespace, pod)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS actors (
    atespace TEXT, id TEXT, version INTEGER, template_namespace TEXT, template_name TEXT, status INTEGER,
    selector TEXT, worker_namespace TEXT, worker_pod TEXT,
    last_snapshot TEXT, local_snapshot TEXT, in_progress_snapshot TEXT,
    PRIMARY KEY (atespace, id)
) WITHOUT ROWID;
CREATE UNIQUE INDEX IF NOT EXISTS one_actor_per_worker ON actors (worker_namespace, worker_pod);
CREATE INDEX IF NOT EXISTS actors_of_template ON actors (template_namespace, template_name);
CREATE TABLE IF NOT EXISTS snapshots (uri TEXT PRIMARY KEY, memory TEXT) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS workloads (
    atespace TEXT, id TEXT, pid INTEGER, started REAL, port INTEGER, PRIMARY KEY (atespace, id)
) WITHOUT ROWID;
"""
_ACTORS: Final = """
SELECT a.*, w.pool, w.uid, w.ip, w.node, w.version AS worker_version
FROM actors a LEFT JOIN workers w ON w.namespace = a.worker_namespace AND w.pod = a.worker_pod
"""


@dataclass(frozen=True)
class Workload:
    """The process that is an actor, by id *and* start time, and the port of 127.0.0.1 that it serves."""

    ref: ActorRef
    pid: int
    started: float
    port: int


def _ignored(_actor: Actor) -> None:
    """Nobody wants to know."""


class Store:
    """All state. Methods raise `RefusedError` with the texts of ate-api."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._db = sqlite3.connect(folder / "substrate.sqlite", isolation_level=None)
        self._db.row_factory = sqlite3.Row
        # A killed process loses nothing that was committed; a machine that fails may lose the last changes.
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = NORMAL")
        self._db.executescript(_SCHEMA)
        #: Called with every actor that is new, different or gone.
        self.changed: Callable[[Actor], None] = _ignored

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All changes of the body, or none."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    # Actors

    def actor(self, ref: ActorRef) -> Actor:
        """One actor. Raises NOT_FOUND."""
        row = self._db.execute(
            f"{_ACTORS} WHERE a.atespace = ? AND a.id = ?", (ref.atespace, ref.id)
        ).fetchone()
        if row is None:
            raise missing(f"Actor {ref} not found")
        return _actor(row)

    def has_actor(self, ref: ActorRef) -> bool:
        """Whether there is one of that name."""
        found = self._db.execute(
            "SELECT 1 FROM actors WHERE atespace = ? AND id = ?", (ref.atespace, ref.id)
        ).fetchone()
        return found is not None

    def actors(self, atespace: str = "", after: ActorRef | None = None, limit: int = -1) -> list[Actor]:
        """Actors in the order of their references: of one atespace if named, and those after a reference."""
        start = after or ActorRef("", "")
        rows = self._db.execute(
            f"{_ACTORS} WHERE (a.atespace, a.id) > (?, ?) AND (? = '' OR a.atespace = ?)"
            " ORDER BY a.atespace, a.id LIMIT ?",
            (start.atespace, start.id, atespace, atespace, limit),
        )
        return list(map(_actor, rows))

    def actors_of(self, template: Template) -> list[Actor]:
        """The actors of one template, its golden among them."""
        rows = self._db.execute(
            f"{_ACTORS} WHERE a.template_namespace = ? AND a.template_name = ?",
            (template.namespace, template.name),
        )
        return list(map(_actor, rows))

    def actors_named(self, actor_id: str) -> list[Actor]:
        """The actors of that name, in all atespaces."""
        return list(map(_actor, self._db.execute(f"{_ACTORS} WHERE a.id = ?", (actor_id,))))

    def count_actors(self) -> dict[Status, int]:
        """How many actors are in each state."""
        found = dict.fromkeys(Status, 0)
        for status, number in self._db.execute("SELECT status, count(*) FROM actors GROUP BY status"):
            found[Status(status)] = number
        return found

    def create_actor(self, actor: Actor) -> None:
        """Record a new actor, version 1. Raises ALREADY_EXISTS."""
        try:
            self._db.execute(
                "INSERT INTO actors VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", _columns(actor)
            )
        except sqlite3.IntegrityError as err:
            raise exists(f"Actor {actor.ref} already exists") from err
        self.changed(actor)

    def update_actor(self, actor: Actor) -> Actor:
        """Replace the version that `actor` was read as; the new one. Raises ABORTED if it was changed."""
        new = replace(actor, version=actor.version + 1)
        changed = self._db.execute(
            "UPDATE actors SET (atespace, id, version, template_namespace, template_name, status, selector,"
            " worker_namespace, worker_pod, last_snapshot, local_snapshot, in_progress_snapshot)"
            " = (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) WHERE atespace = ? AND id = ? AND version = ?",
            (*_columns(new), actor.ref.atespace, actor.ref.id, actor.version),
        )
        if changed.rowcount != 1:
            raise aborted("concurrent update conflict, please retry")
        self.changed(new)
        return new

    def delete_actor(self, actor: Actor) -> None:
        """Forget an actor; its snapshots stay."""
        ref = actor.ref
        self._db.execute("DELETE FROM actors WHERE atespace = ? AND id = ?", (ref.atespace, ref.id))
        self.changed(actor)

    # Workers

    def workers(self) -> list[tuple[Worker, Actor | None]]:
        """All workers, sorted, each with the actor that it is assigned to."""
        assigned = {
            (actor.worker.namespace, actor.worker.pod): actor
            for row in self._db.execute(f"{_ACTORS} WHERE a.worker_pod IS NOT NULL")
            if (actor := _actor(row)).worker is not None
        }
        rows = self._db.execute("SELECT * FROM workers ORDER BY namespace, pool, pod")
        return [(worker, assigned.get((worker.namespace, worker.pod))) for worker in map(_worker, rows)]

    def free_workers(self) -> list[Worker]:
        """The workers that no actor is assigned to, sorted."""
        return [worker for worker, actor in self.workers() if actor is None]

    def put_worker(self, worker: Worker) -> None:
        """Record a worker, new or changed."""
        self._db.execute(
            "INSERT INTO workers (namespace, pod, pool, uid, ip, node, version) VALUES (?, ?, ?, ?, ?, ?, 1)"
            " ON CONFLICT DO UPDATE SET pool = excluded.pool, uid = excluded.uid, ip = excluded.ip,"
            " node = excluded.node, version = version + 1",
            (worker.namespace, worker.pod, worker.pool, worker.uid, worker.ip, worker.node),
        )

    def delete_worker(self, worker: Worker) -> None:
        """Forget a worker."""
        self._db.execute(
            "DELETE FROM workers WHERE namespace = ? AND pod = ?", (worker.namespace, worker.pod)
        )

    # Atespaces

    def atespaces(self) -> list[str]:
        """Their names, sorted."""
        return [name for (name,) in self._db.execute("SELECT name FROM atespaces ORDER BY name")]

    def create_atespace(self, name: str) -> None:
        """Raises ALREADY_EXISTS."""
        try:
            self._db.execute("INSERT INTO atespaces VALUES (?)", (name,))
        except sqlite3.IntegrityError as err:
            raise exists(f"Atespace {name} already exists") from err

    def delete_atespace(self, name: str) -> None:
        """Forget an atespace."""
        self._db.execute("DELETE FROM atespaces WHERE name = ?", (name,))

    # Snapshots

    def snapshot(self, uri: str) -> Mapping[str, int] | None:
        """The memory in a snapshot, None if it holds no memory. Raises KeyError."""
        row = self._db.execute("SELECT memory FROM snapshots WHERE uri = ?", (uri,)).fetchone()
        if row is None:
            raise KeyError(uri)
        memory: Mapping[str, int] | None = json.loads(row["memory"])
        return memory

    def has_snapshot(self, uri: str) -> bool:
        """Whether there is one of that name."""
        return self._db.execute("SELECT 1 FROM snapshots WHERE uri = ?", (uri,)).fetchone() is not None

    def put_snapshot(self, uri: str, memory: Mapping[str, int] | None) -> None:
        """Keep a memory under a name."""
        self._db.execute("INSERT OR REPLACE INTO snapshots VALUES (?, ?)", (uri, json.dumps(memory)))

    def delete_snapshots(self, uris: Iterable[str]) -> None:
        """Forget snapshots."""
        self._db.executemany("DELETE FROM snapshots WHERE uri = ?", [(uri,) for uri in uris])

    def count_snapshots(self) -> int:
        """How many there are."""
        number: int = self._db.execute("SELECT count(*) FROM snapshots").fetchone()[0]
        return number

    # Workloads

    def workloads(self) -> list[Workload]:
        """All that are recorded, whether their processes run or not."""
        rows = self._db.execute("SELECT * FROM workloads ORDER BY atespace, id")
        return [_workload(row) for row in rows]

    def workload(self, ref: ActorRef) -> Workload | None:
        """That of one actor."""
        row = self._db.execute(
            "SELECT * FROM workloads WHERE atespace = ? AND id = ?", (ref.atespace, ref.id)
        ).fetchone()
        return None if row is None else _workload(row)

    def put_workload(self, workload: Workload) -> None:
        """Record the process that is an actor now."""
        self._db.execute(
            "INSERT OR REPLACE INTO workloads VALUES (?, ?, ?, ?, ?)",
            (workload.ref.atespace, workload.ref.id, workload.pid, workload.started, workload.port),
        )

    def delete_workload(self, workload: Workload) -> None:
        """Forget it, but not one that came after it."""
        self._db.execute(
            "DELETE FROM workloads WHERE atespace = ? AND id = ? AND pid = ?",
            (workload.ref.atespace, workload.ref.id, workload.pid),
        )


def _columns(actor: Actor) -> tuple[Any, ...]:
    return (
        actor.ref.atespace,
        actor.ref.id,
        actor.version,
        actor.template.namespace,
        actor.template.name,
        int(actor.status),
        json.dumps(dict(actor.selector), sort_keys=True),
        actor.worker.namespace if actor.worker else None,
        actor.worker.pod if actor.worker else None,
        actor.last_snapshot,
        actor.local_snapshot,
        actor.in_progress_snapshot,
    )


def _actor(row: sqlite3.Row) -> Actor:
    worker = None
    if row["worker_pod"] is not None:
        worker = Worker(
            namespace=row["worker_namespace"],
            pod=row["worker_pod"],
            pool=row["pool"] or "",
            uid=row["uid"] or "",
            ip=row["ip"] or "",
            node=row["node"] or "",
            version=row["worker_version"] or 0,
        )
    return Actor(
        ref=ActorRef(row["atespace"], row["id"]),
        template=Template(row["template_namespace"], row["template_name"]),
        status=Status(row["status"]),
        version=row["version"],
        selector=json.loads(row["selector"]),
        worker=worker,
        last_snapshot=row["last_snapshot"],
        local_snapshot=row["local_snapshot"],
        in_progress_snapshot=row["in_progress_snapshot"],
    )


def _worker(row: sqlite3.Row) -> Worker:
    return Worker(**{key: row[key] for key in row.keys()})  # noqa: SIM118 - a Row iterates over its values


def _workload(row: sqlite3.Row) -> Workload:
    return Workload(ActorRef(row["atespace"], row["id"]), row["pid"], row["started"], row["port"])
