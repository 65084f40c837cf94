"""What every process does that was forked from a runtime."""

from __future__ import annotations

import gc
import os
import socket
import sys
import traceback
from collections.abc import Callable
from typing import Final, NoReturn

from reference.snapstart.inject.machine import Conversation, State

#: Seconds after which a forked process that nobody injects ends itself.
INJECTION_LIMIT: Final = 30.0
_CHUNK: Final = 65536


def fork(become: Callable[..., NoReturn], *arguments: object) -> int:
    """Fork a process that becomes something, and never returns to what its parent was doing; its id."""
    pid = os.fork()
    if pid:
        return pid
    try:
        become(*arguments)
    except BaseException:
        # To the session's log, if it has come so far.
        traceback.print_exc()
        sys.stderr.flush()
        raise
    finally:
        os._exit(1)


def freeze() -> None:
    """Let the collector leave alone what there is: what it does not write to stays shared among all forks."""
    gc.collect()
    gc.freeze()


def clear_descriptors(kept: int) -> None:
    """Let all descriptors but one be /dev/null: standard input and outputs, and whatever a module has open.

    They are not closed, because the objects that have them are still there: one day they would close what has
    their numbers by then.
    """
    null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208 - Path.iterdir would hold one open
        descriptor = int(name)
        if descriptor not in (null, kept) and _is_open(descriptor):
            os.dup2(null, descriptor, inheritable=descriptor <= 2)
    os.close(null)


def converse(host: socket.socket, conversation: Conversation, state: Callable[[], State]) -> bool:
    """Do the injection on a connection; whether the session is started, and the host knows.

    False: the host has cancelled, hung up, sent what is no message, or nothing for `INJECTION_LIMIT` seconds.
    """
    host.settimeout(INJECTION_LIMIT)
    said = conversation.greeting()
    while True:
        try:
            host.sendall(said)
            data = b"" if state() is State.STARTED else host.recv(_CHUNK)
        except OSError:
            data = b""
            if state() is State.STARTED:
                return False
        if not data:
            break
        # Should this raise, the connection ends with the process, and not before the log says why.
        answer = conversation.receive(data)
        if answer.close and state() is not State.STARTED:
            break
        said = answer.data
    host.close()
    conversation.closed()
    return state() is State.STARTED


def _is_open(descriptor: int) -> bool:
    """Whether a descriptor is open; that of the listing it comes from is not any more."""
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True
