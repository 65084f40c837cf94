"""The bootstrap: what is loaded, and the identity by which a restored session is recognised."""

from __future__ import annotations

import importlib
import os
import random
import ssl
import sys
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

#: Libraries of linear algebra start no threads of their own: a runtime is captured with one thread or not
#: at all.
_ONE_THREAD: Final = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")


@dataclass(frozen=True)
class Boot:
    """One bootstrap, in all sessions that come from it.

    boot_id: drawn once at its end, and kept in memory only.
    preload_ns: how long loading took, on the performance counter; no two bootstraps agree on it.
    held: a generator of random numbers as a library would hold one.
    """

    boot_id: str
    preload_ns: int
    held: random.Random


def boot(modules: Sequence[str], between: Callable[[], None] = lambda: None) -> Boot:
    """Load modules, calling `between` after each, and use every source of randomness as they might.

    Raises ImportError.
    """
    for name in _ONE_THREAD:
        os.environ.setdefault(name, "1")
    began = time.perf_counter_ns()
    for module in modules:
        importlib.import_module(module)
        between()
    # numpy loads this when it is first used: after a restore that would be too late to have it in common.
    numpy_random = importlib.import_module("numpy.random") if "numpy" in sys.modules else None
    preload_ns = time.perf_counter_ns() - began
    held = random.Random()
    # A generator that nobody has used yet may be seeded only when it is.
    held.random()
    random.random()
    if numpy_random is not None:
        numpy_random.random()
    ssl.RAND_bytes(16)
    return Boot(str(uuid.uuid4()), preload_ns, held)
