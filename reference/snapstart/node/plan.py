"""What is to be done about a Pod, from what the cluster wants and what the node has. Pure."""

from __future__ import annotations

from enum import Enum, auto

from reference.objects import Object, is_terminating
from reference.snapstart.node.ledger import Entry
from reference.snapstart.node.pods import has_run, is_terminal


class Action(Enum):
    """The next step of one Pod; each leads to a state in which another, or none, is due."""

    #: Nothing.
    REST = auto()
    #: It is new: read what it asks for, give it an address.
    ACCEPT = auto()
    #: It has an entry and no process: start one.
    START = auto()
    #: Its process runs: see whether it answers, and say so.
    OBSERVE = auto()
    #: Its process has ended by itself: say so.
    REPORT_END = auto()
    #: Its status says that it runs, and the node knows nothing of it: say that it is lost.
    REPORT_LOSS = auto()
    #: It is being deleted: end the process, then the Pod.
    FINISH = auto()
    #: It is gone, or has ended: end what may be left of the process, forget it.
    RELEASE = auto()


def action(pod: Object | None, entry: Entry | None, *, runs: bool) -> Action:
    """The next step; `pod` is None once it is gone, `runs` tells whether the entry's process does."""
    if pod is None:
        return Action.REST if entry is None else Action.RELEASE
    if is_terminating(pod):
        return Action.FINISH
    if is_terminal(pod):
        return Action.REST if entry is None else Action.RELEASE
    if entry is None:
        return Action.REPORT_LOSS if has_run(pod) else Action.ACCEPT
    if entry.process is None:
        return Action.START
    return Action.OBSERVE if runs else Action.REPORT_END
