"""Folders of a session's own where processes of one machine usually meet: /tmp and /dev/shm.

A session of processes has no container around it. In a mount namespace of its own these two are empty file
systems in memory, which end with the last process of the session. Needs CAP_SYS_ADMIN.
"""

from __future__ import annotations

import ctypes
import os
from pathlib import Path
from typing import Final

#: Mount points, and the most that each may hold (option `size` of tmpfs).
FOLDERS: Final = {Path("/tmp"): "size=256m,mode=1777", Path("/dev/shm"): "size=256m,mode=1777"}
_CAP_SYS_ADMIN: Final = 21
_CLONE_NEWNS: Final = 0x00020000
_MS_NOSUID: Final = 2
_MS_NODEV: Final = 4
_MS_BIND: Final = 4096
_MS_REC: Final = 16384
_MS_PRIVATE: Final = 1 << 18
_LIBC: Final = ctypes.CDLL(None, use_errno=True)


def possible() -> bool:
    """Whether this process may have folders of its own: root may, unless a container has taken that away."""
    for line in Path("/proc/self/status").read_text().splitlines():
        name, _, value = line.partition(":")
        if name == "CapEff":
            return bool(int(value, 16) >> _CAP_SYS_ADMIN & 1)
    return False


def private_folders(workspace: Path) -> None:
    """Give this process, which has one thread, `FOLDERS` of its own; a workspace below one stays where it is.

    Raises OSError.
    """
    _call("unshare", _LIBC.unshare(_CLONE_NEWNS))
    # Nothing that is mounted here is seen elsewhere.
    _mount(None, Path("/"), None, _MS_REC | _MS_PRIVATE, None)
    # Opened only now: a folder cannot be mounted from another namespace.
    kept = os.open(workspace, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for folder, options in FOLDERS.items():
            _mount("tmpfs", folder, "tmpfs", _MS_NOSUID | _MS_NODEV, options)
            if workspace.is_relative_to(folder):
                workspace.mkdir(parents=True)
                _mount(f"/proc/self/fd/{kept}", workspace, None, _MS_BIND, None)
    finally:
        os.close(kept)
    os.chdir(workspace)


def _mount(source: str | None, target: Path, kind: str | None, flags: int, options: str | None) -> None:
    words = [None if word is None else os.fsencode(word) for word in (source, target, kind, options)]
    result = _LIBC.mount(words[0], words[1], words[2], ctypes.c_ulong(flags), words[3])
    _call(f"mount {target}", result)


def _call(what: str, result: int) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
