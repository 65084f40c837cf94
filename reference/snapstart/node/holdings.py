"""Which artifacts a node still has to keep. Pure, but for the memory of what was seen when."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, TypeAlias

from reference.objects import Object, annotations_of, is_terminating, namespace_of
from reference.snapstart.drivers.driver import Artifact
from reference.snapstart.kinds import LIVE_KEYS
from reference.snapstart.node.tasks import task_of

#: Namespace and key of an artifact.
Held: TypeAlias = tuple[str, str]

#: Seconds that an artifact is kept after nothing asks for it any more: sessions that were given its key just
#: before are still on their way.
KEPT_S: Final = 5.0


def held(artifact: Artifact) -> Held:
    """Which artifact it is."""
    return artifact.namespace, artifact.key


def live(snapshots: Iterable[Object], tasks: Iterable[Object]) -> set[Held]:
    """The artifacts that a snapshot has among its live keys, or that a task is to make."""
    found = set()
    for snapshot in snapshots:
        if not is_terminating(snapshot):
            found |= keys_of(snapshot)
    for found_task in tasks:
        task = task_of(found_task)
        found.add((task.namespace, task.key))
    return found


def keys_of(snapshot: Object) -> set[Held]:
    """The artifacts that are a snapshot's."""
    keys = annotations_of(snapshot).get(LIVE_KEYS, "").split(",")
    return {(namespace_of(snapshot), key) for key in keys if key}


class Leftovers:
    """Finds artifacts that nothing asks for: at once if their snapshot was deleted, else after `kept_s`."""

    def __init__(self, kept_s: float = KEPT_S) -> None:
        self._kept_s = kept_s
        self._since: dict[Held, float] = {}
        self._deleted: set[Held] = set()

    def snapshot_deleted(self, snapshot: Object) -> None:
        """Its artifacts are not waited for."""
        self._deleted |= keys_of(snapshot)

    def among(self, there: Iterable[Held], wanted: set[Held], now: float) -> list[Held]:
        """Those of `there` that are to go; `now` in seconds of any clock that only goes forward."""
        unwanted = set(there) - wanted
        self._since = {one: self._since.get(one, now) for one in unwanted}
        self._deleted &= unwanted
        due = {one for one, since in self._since.items() if now - since >= self._kept_s}
        return sorted(due | self._deleted)
