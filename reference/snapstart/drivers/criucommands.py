"""criu as it is called, and what stays with a restored session."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import psutil

from reference.processes import ProcessIdentity

_DETECTION_LIMIT: Final = 20.0
#: Seconds for one run of criu that ends by itself.
_RUN_LIMIT: Final = 60.0
#: Seconds for what is killed to end.
_KILL_LIMIT: Final = 10.0
#: Run as the first process of the new namespaces: the folder of this session where that of the dumped
#: socket was, then criu, which stays until the session has ended.
_MOUNT_AND_RUN: Final = 'mount --bind "$1" "$2" && shift 2 && exec "$@"'
_NAMESPACES: Final = (
    *("unshare", "--mount", "--pid", "--fork", "--mount-proc"),
    *("--kill-child=SIGKILL", "--propagation", "private"),
)


class CriuError(Exception):
    """criu has failed."""

    @staticmethod
    def first_line(log: Path) -> str:
        """The first error in a log of criu; empty if there is none.

        That a helper has exited is none: criu does without those that it calls first.
        """
        try:
            lines = log.read_text(errors="replace").splitlines()
        except OSError:
            return ""
        errors = (line.partition("Error ")[2] for line in lines if "Error " in line)
        return next((error for error in errors if "exited, status=" not in error), "")


class CriuUnusableError(Exception):
    """criu is missing, or does not work on this kernel. `str()` begins with `criu-unusable: `."""

    def __init__(self, why: str) -> None:
        super().__init__(f"criu-unusable: {why}")


class Keeper:
    """The process that holds a session's namespaces; it ends with the session, and the session with it."""

    def __init__(self, child: subprocess.Popen[bytes], ended: Callable[[Keeper], None]) -> None:
        """Wait for a child's end as soon as there is one, and say so."""
        self._child = child
        self._ended = ended
        self.process = ProcessIdentity.of(child.pid)
        self._descriptor = os.pidfd_open(child.pid)
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._descriptor, self._reap)

    async def kill(self) -> None:
        """SIGKILL for all of it; returns when nothing of it runs. Raises TimeoutError."""
        first = _children(self.process.pid)
        for process in first:
            process.send(signal.SIGKILL)
        # The first process of the namespace is the last one in it to end, and the holder ends after that.
        if not first or not await self.process.ended(_KILL_LIMIT):
            await self.process.kill()

    def leave(self) -> None:
        """Let the session go on without anybody who waits for its end here."""
        self._loop.remove_reader(self._descriptor)
        os.close(self._descriptor)
        # Not the end of the child, but of our interest in it.
        self._child.returncode = 0
        self._ended(self)

    def _reap(self) -> None:
        self._child.wait()
        self.leave()


def _children(pid: int) -> Sequence[ProcessIdentity]:
    try:
        return [ProcessIdentity(child.pid, child.create_time()) for child in psutil.Process(pid).children()]
    except psutil.NoSuchProcess:
        return ()


async def dump(criu: str, pid: int, images: Path) -> None:
    """Write a process, which ends with that, into a folder. Raises CriuError, OSError."""
    await _run(
        images / "dump.log",
        *(criu, "dump", "--tree", str(pid), "--images-dir", str(images), "--log-file", "dump.log"),
    )


def restore_command(criu: str, images: Path, own: Path, place: Path) -> Sequence[str]:
    """The command that restores a process and stays until it ends.

    own: where criu works, and what is mounted at `place` for this process alone.
    """
    restore = (
        criu,
        "restore",
        "--images-dir",
        str(images),
        "--work-dir",
        str(own),
        "--log-file",
        "restore.log",
    )
    return (*_NAMESPACES, "sh", "-c", _MOUNT_AND_RUN, "sh", str(own), str(place), *restore)


async def detect(folder: Path, criu: str = "criu") -> None:
    """Dump and restore a trivial process, in a folder that is made for it and removed.

    Raises CriuUnusableError with the first error of criu.
    """
    if os.geteuid() != 0:
        raise CriuUnusableError("it needs root")
    if shutil.which(criu) is None:
        raise CriuUnusableError(f"there is no {criu}")
    folder.mkdir(parents=True)
    try:
        async with asyncio.timeout(_DETECTION_LIMIT):
            await _dump_and_restore(folder, criu)
    except TimeoutError as err:
        raise CriuUnusableError(f"no dump and restore within {_DETECTION_LIMIT} s") from err
    except (OSError, CriuError) as err:
        raise CriuUnusableError(str(err)) from err
    finally:
        shutil.rmtree(folder)


async def _dump_and_restore(folder: Path, criu: str) -> None:
    trivial = subprocess.Popen(
        [sys.executable, "-S", "-c", "import time; time.sleep(600)"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        await dump(criu, trivial.pid, folder)
    finally:
        trivial.kill()
        # Also what makes its id free for the process that is restored.
        trivial.wait()
    pidfile = folder / "pid"
    await _run(
        folder / "restore.log",
        *(criu, "restore", "--images-dir", str(folder), "--log-file", "restore.log"),
        *("--restore-detached", "--pidfile", str(pidfile)),
    )
    await ProcessIdentity.of(int(pidfile.read_text())).kill()


async def _run(log: Path, *command: str) -> None:
    """Run criu to its end. Raises CriuError with the first error of its log, OSError."""
    said = log.with_suffix(".stderr")
    with said.open("wb") as output:
        child = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        )
    try:
        await ProcessIdentity.of(child.pid).ended(_RUN_LIMIT)
    finally:
        # With the helpers that it forks, and without effect on what has ended by itself.
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()
    if child.returncode != 0:
        last = said.read_text(errors="replace").strip().splitlines()[-1:]
        why = CriuError.first_line(log) or "".join(last) or f"exit code {child.returncode}"
        raise CriuError(f"{command[1]}: {why}")
