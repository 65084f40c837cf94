"""Processes by id and start time."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import time
from collections.abc import Iterator

import pytest

from reference.processes import ProcessIdentity


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    """A process that waits for the end of its input."""
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as child:
        yield child
        child.kill()


def test_a_process_that_runs(child: subprocess.Popen[bytes]) -> None:
    """A process MUST be alive until it has ended, and not end by being waited for."""
    identity = ProcessIdentity.of(child.pid)
    assert identity.alive
    assert asyncio.run(identity.ended(0.05)) is False


def test_the_end_is_noticed_also_of_a_zombie(child: subprocess.Popen[bytes]) -> None:
    """A killed process MUST count as ended, although nobody has waited for it yet."""
    identity = ProcessIdentity.of(child.pid)
    asyncio.run(identity.kill(5.0))
    assert not identity.alive
    assert os.path.exists(f"/proc/{child.pid}"), "the zombie is what this is about"  # noqa: PTH110
    assert asyncio.run(identity.ended(0.0)) is True
    identity.send(signal.SIGKILL)


def test_the_end_is_awaited(child: subprocess.Popen[bytes]) -> None:
    """Waiting MUST return at the end, not at the limit."""

    async def test() -> bool:
        waiting = asyncio.ensure_future(ProcessIdentity.of(child.pid).ended(5.0))
        await asyncio.sleep(0.05)
        child.kill()
        return await waiting

    began = time.monotonic()
    assert asyncio.run(test()) is True
    assert time.monotonic() - began < 2.0


def test_another_process_of_the_same_id_is_let_alone(child: subprocess.Popen[bytes]) -> None:
    """A process that started at another time MUST NOT be taken for it, nor be sent a signal."""
    other = ProcessIdentity(child.pid, ProcessIdentity.of(child.pid).started - 60)
    assert not other.alive
    asyncio.run(other.kill())
    assert child.poll() is None


def test_a_stopped_process_that_is_killed_in_vain_is_an_error(child: subprocess.Popen[bytes]) -> None:
    """A process that does not end MUST be a TimeoutError that names it."""

    class Immortal(ProcessIdentity):
        def send(self, number: signal.Signals) -> None:
            """It is not impressed."""

    identity = Immortal(child.pid, ProcessIdentity.of(child.pid).started)
    with pytest.raises(TimeoutError, match=f"process {child.pid} was killed and has not ended within 0.1 s"):
        asyncio.run(identity.kill(0.1))


def test_no_process_is_said(child: subprocess.Popen[bytes]) -> None:
    """An id that nobody has MUST be an error."""
    with pytest.raises(ProcessLookupError, match="there is no process"):
        ProcessIdentity.of(2**22 - 1)
