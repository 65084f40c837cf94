"""A folder that one program at a time works on."""

from __future__ import annotations

from pathlib import Path

from filelock import FileLock

from reference.program import IN_USE_LIMIT


def own(folder: Path, limit_s: float = IN_USE_LIMIT) -> FileLock:
    """Make a folder and take it, until the lock that is returned is released or the program has ended.

    Waits for `limit_s` seconds: a program that is killed while it starts a child leaves the lock to that,
    until the child executes what it is to be. Raises filelock.Timeout, which is a TimeoutError.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / "lock", thread_local=False)
    lock.acquire(timeout=limit_s)
    return lock
