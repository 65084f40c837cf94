"""All processes of the machine: which belong together, their common end, and word of each that ends.

It works for processes of others too, because what a node started before it was restarted, or what a template
forked, is no child of the node.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

import psutil

from reference.processes import TOLERANCE, ProcessIdentity

_PROC: Final = Path("/proc")
_TICKS: Final = os.sysconf("SC_CLK_TCK")

#: States of a process that has ended, whether or not anybody has asked for its exit code (proc(5)).
_ENDED: Final = frozenset("ZXx")


@dataclass(frozen=True)
class Row:
    """One process as the kernel tells it."""

    pid: int
    state: str
    parent: int
    session: int
    started: float

    @property
    def identity(self) -> ProcessIdentity:
        """Which process it is."""
        return ProcessIdentity(self.pid, self.started)

    def is_of(self, process: ProcessIdentity) -> bool:
        """Whether it is that process, and no later one of the same id."""
        return self.pid == process.pid and abs(self.started - process.started) <= TOLERANCE


#: Processes by id.
Table: TypeAlias = Mapping[int, Row]
#: Finds the ids of what belongs to some processes.
Scope: TypeAlias = Callable[[Iterable[ProcessIdentity], Table], set[int]]


def table() -> dict[int, Row]:
    """All processes that run, as they were one after the other."""
    boot = psutil.boot_time()
    pids = (int(entry.name) for entry in os.scandir(_PROC) if entry.name.isdigit())
    rows = (row for pid in pids if (row := _row(pid, boot)) is not None)
    return {row.pid: row for row in rows if row.state not in _ENDED}


def session(heads: Iterable[ProcessIdentity], rows: Table) -> set[int]:
    """These processes, and everything in the sessions that they led."""
    found = set()
    for head in heads:
        row = rows.get(head.pid)
        if row is not None and row.is_of(head):
            found.add(head.pid)
        if row is None or row.is_of(head):
            # A session may outlive its leader, whose id is not given again meanwhile.
            found |= {other.pid for other in rows.values() if other.session == head.pid}
    return found


def family(heads: Iterable[ProcessIdentity], rows: Table) -> set[int]:
    """These processes, their sessions, and everything below."""
    found = session(heads, rows)
    grown = True
    while grown:
        below = {row.pid for row in rows.values() if row.parent in found} - found
        found |= below
        grown = bool(below)
    return found


def ancestors(heads: Iterable[ProcessIdentity], rows: Table) -> set[int]:
    """What started these processes, and what started that, as far as it runs."""
    found = set()
    for head in heads:
        row = rows.get(head.pid)
        if row is not None and row.is_of(head):
            while (row := rows.get(row.parent)) is not None:
                found.add(row.pid)
    return found


def marked(variable: str, value: str, rows: Table) -> set[int]:
    """The processes started with this variable in their environment, or forked by such, without this one."""
    wanted = f"{variable}={value}".encode()
    found = set()
    for pid in rows.keys() - {os.getpid()}:
        # Another user's, or gone.
        with contextlib.suppress(OSError):
            if wanted in (_PROC / str(pid) / "environ").read_bytes().split(b"\0"):
                found.add(pid)
    return found


async def end(process: ProcessIdentity, grace_s: float, scope: Scope = family) -> None:
    """SIGTERM, and SIGKILL after `grace_s` seconds; then SIGKILL to what it has started. All is gone then.

    `scope` tells what that is: its family, or only its session. What left the session, and whose parent
    ended before, is not found. Raises TimeoutError if something does not end although it was killed.
    """
    rows = await asyncio.to_thread(table)
    others = [rows[pid].identity for pid in scope([process], rows) - {process.pid}]
    if grace_s > 0:
        process.send(signal.SIGTERM)
        await process.ended(grace_s)
    await process.kill()
    rows = await asyncio.to_thread(table)
    left = [rows[pid].identity for pid in scope([process, *others], rows)]
    await asyncio.gather(*(other.kill() for other in left))


class Deaths:
    """Tells when processes end, whoever's children they are, and reaps those that are this one's."""

    def __init__(self) -> None:
        self._watched: set[int] = set()

    def watch(self, process: ProcessIdentity, ended: Callable[[int | None], None]) -> None:
        """Call `ended(exit code)` once, soon after the process has ended.

        The exit code is negative after a signal, and None for a process that is not a child.
        """
        loop = asyncio.get_running_loop()
        try:
            descriptor = os.pidfd_open(process.pid)
        except ProcessLookupError:
            loop.call_soon(ended, None)
            return
        row = _row(process.pid, psutil.boot_time())
        if row is None or not row.is_of(process):
            os.close(descriptor)
            loop.call_soon(ended, None)
            return
        self._watched.add(descriptor)
        loop.add_reader(descriptor, self._ended, descriptor, ended)

    def close(self) -> None:
        """Watch nothing any more."""
        for descriptor in list(self._watched):
            self._forget(descriptor)

    def _ended(self, descriptor: int, ended: Callable[[int | None], None]) -> None:
        code = _exit_code(descriptor)
        self._forget(descriptor)
        ended(code)

    def _forget(self, descriptor: int) -> None:
        self._watched.discard(descriptor)
        asyncio.get_running_loop().remove_reader(descriptor)
        os.close(descriptor)


def _exit_code(descriptor: int) -> int | None:
    try:
        found = os.waitid(os.P_PIDFD, descriptor, os.WEXITED | os.WNOHANG)
    except ChildProcessError:
        return None
    if found is None:
        return None
    return found.si_status if found.si_code == os.CLD_EXITED else -found.si_status


def _row(pid: int, boot: float) -> Row | None:
    try:
        text = (_PROC / str(pid) / "stat").read_text(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The name, in parentheses, may hold anything.
    fields = text.rpartition(")")[2].split()
    return Row(pid, fields[0], int(fields[1]), int(fields[3]), boot + int(fields[19]) / _TICKS)
