"""What a runtime says of itself, by which a restored session is told from a cold one.

Neither an annotation nor the start of the process can: contract SnapStart, section 9.2.
"""

from __future__ import annotations

import os
import random
import ssl
import sys
import time
from dataclasses import asdict, dataclass
from typing import Any, Self

from reference.snapstart.runtime.boot import Boot


@dataclass(frozen=True)
class Draws:
    """One value of every source of randomness, as hexadecimal digits. `numpy` is None where it is not loaded.

    `hash` is no draw: it shows the hash seed of strings, which a copy has in common with its original.
    """

    random: str
    numpy: str | None
    held: str
    openssl: str
    hash: str

    @classmethod
    def now(cls, boot: Boot) -> Self:
        """Draw."""
        numpy_random = sys.modules.get("numpy.random")
        return cls(
            random=f"{random.getrandbits(64):016x}",
            numpy=numpy_random.bytes(8).hex() if numpy_random else None,
            held=f"{boot.held.getrandbits(64):016x}",
            openssl=ssl.RAND_bytes(8).hex(),
            hash=f"{hash('snapstart') & (1 << 64) - 1:016x}",
        )


@dataclass(frozen=True)
class Start:
    """The start of a session in this process: when (the host's CLOCK_MONOTONIC), and what it drew first.

    behind_ns: by how much this process's clock is behind the host's.
    """

    instance_id: str
    started_ns: int
    draws: Draws
    behind_ns: int = 0

    @classmethod
    def now(cls, instance_id: str, boot: Boot, behind_ns: int = 0) -> Self:
        """The session starts, in a process whose clock is so much behind the host's."""
        return cls(instance_id, time.monotonic_ns() + behind_ns, Draws.now(boot), behind_ns)


def witness(
    boot: Boot | None, start: Start | None, mode: str, accepted_ns: int | None = None
) -> dict[str, Any]:
    """The page `/witness`. What there is not yet is null. `mode` is that of the bootstrap.

    accepted_ns: when the session accepted its first connection, by the host's CLOCK_MONOTONIC.
    """
    return {
        "boot_id": boot and boot.boot_id,
        "preload_ns": boot and boot.preload_ns,
        "instance_id": start and start.instance_id,
        "started_ns": start and start.started_ns,
        "accepted_ns": accepted_ns,
        "pid": os.getpid(),
        "mode": mode,
        "random": start and asdict(start.draws),
    }
