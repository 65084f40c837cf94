"""Whether the process of a Sandbox is one from which an artifact can be made. Pure."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from reference.objects import Object
from reference.snapstart.node.ledger import BUILD, Entry
from reference.snapstart.node.pods import is_terminal


class State(Enum):
    """How far the process of a Sandbox is."""

    #: There is none here, as yet.
    ABSENT = auto()
    #: It does not answer yet.
    STARTING = auto()
    #: It answers.
    READY = auto()
    #: There was one, and there will be no other.
    ENDED = auto()
    #: It serves a user, or may.
    SESSION = auto()


#: States that lead to no artifact, and why.
NEVER: Final[Mapping[State, str]] = {
    State.ENDED: "its build process has ended",
    State.SESSION: "its process is a session, not a build; sessions are never captured",
}


@dataclass(frozen=True)
class Build:
    """The process of a Sandbox; `entry` is there when it is READY."""

    state: State
    entry: Entry | None = None


def build(pods: Iterable[Object], entries: Iterable[Entry], answered: Container[str]) -> Build:
    """What there is of a Sandbox: its Pods on this node, their entries, and the UIDs that have answered."""
    found = list(entries)
    for entry in found:
        if entry.way == BUILD and entry.process is not None and entry.process.alive:
            return Build(State.READY, entry) if entry.uid in answered else Build(State.STARTING)
    if any(entry.way for entry in found):
        return Build(State.SESSION if all(entry.way != BUILD for entry in found) else State.ENDED)
    over = [is_terminal(pod) for pod in pods]
    return Build(State.ENDED if over and all(over) else State.ABSENT)
