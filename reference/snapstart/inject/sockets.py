"""UNIX sockets by path, however long the path is.

The address of a UNIX socket holds at most 107 bytes. A longer path is reached through a descriptor of its
folder.
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Final

_ADDRESS_LIMIT: Final = 107


@contextlib.contextmanager
def address(path: Path) -> Iterator[str]:
    """The address of a path, valid within the block. Raises OSError if its folder cannot be opened."""
    if len(os.fsencode(path)) <= _ADDRESS_LIMIT:
        yield str(path)
        return
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


def listen(path: Path, kind: socket.SocketKind = socket.SOCK_STREAM, backlog: int = 128) -> socket.socket:
    """A listening socket at a path, in the place of what an ended process left there. Raises OSError."""
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, kind)
    try:
        with address(path) as name:
            listener.bind(name)
        listener.listen(backlog)
        listener.setblocking(False)
    except OSError:
        listener.close()
        raise
    return listener


def connect(path: Path, kind: socket.SocketKind = socket.SOCK_STREAM) -> socket.socket:
    """A connection to a socket at a path, non-blocking.

    Raises OSError: nobody listens, or (BlockingIOError) the listener does not keep up.
    """
    connection = socket.socket(socket.AF_UNIX, kind)
    connection.setblocking(False)
    try:
        with address(path) as name:
            connection.connect(name)
    except OSError:
        connection.close()
        raise
    return connection
