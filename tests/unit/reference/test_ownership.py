"""A folder that one program at a time works on, also where that is killed at any moment."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from reference.ownership import own

#: A program that is killed just when it has forked, and whose child executes nothing for a while. It forks as
#: subprocess does, without what os.fork lets a child do first.
KILLED_WHILE_STARTING_A_CHILD = """
import ctypes, os, signal, sys, time
from pathlib import Path
from reference.ownership import own

lock = own(Path(sys.argv[1]))
if ctypes.PyDLL(None).fork() == 0:
    time.sleep(1.0)
    os._exit(0)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_one_at_a_time(tmp_path: Path) -> None:
    """A folder MUST NOT be taken twice, and can be taken again afterwards."""
    lock = own(tmp_path / "state")
    with pytest.raises(TimeoutError):
        own(tmp_path / "state", 0.1)
    lock.release()
    own(tmp_path / "state", 0.1).release()


def test_a_child_that_executes_nothing_yet(tmp_path: Path) -> None:
    """A program that was killed while it started a child MUST NOT keep the next one from beginning."""
    state = tmp_path / "state"
    subprocess.run([sys.executable, "-c", KILLED_WHILE_STARTING_A_CHILD, str(state)], check=False)
    with pytest.raises(TimeoutError):
        own(state, 0.1)

    own(state).release()
