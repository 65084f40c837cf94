"""What a process has to itself and a copy of it must not have in common with it.

Generators of random numbers outside the kernel go on in every copy where the original was. The
interpreter's own global one is seeded anew at a fork; no other is, and none at all when memory comes from
an image on disk. The hash seed of strings cannot be changed in a running interpreter.

Source: contract SnapStart, section 7 (measured there).
"""

from __future__ import annotations

import gc
import os
import random
import ssl
import sys
from typing import Any, Final

_SEED_BYTES: Final = 32


class Reseeding:
    """Finds the generators of a process, and gives each new state from the kernel."""

    def __init__(self) -> None:
        self._randoms: list[random.Random] = []
        self._bit_generators: list[Any] = []

    def find(self) -> None:
        """Find all generators that exist. To be called before `gc.freeze`, which hides them."""
        self._randoms, self._bit_generators = [], []
        numpy_random = sys.modules.get("numpy.random")
        bit_generator: Any = numpy_random.BitGenerator if numpy_random else None
        # Numpy's own global one is seeded by name.
        own: Any = numpy_random.get_bit_generator() if numpy_random else None
        # By type(), not isinstance(): that would ask the objects themselves, and some answer with an import.
        for found in gc.get_objects():
            kind = type(found)
            if issubclass(kind, random.Random) and not issubclass(kind, random.SystemRandom):
                self._randoms.append(found)
            elif bit_generator is not None and issubclass(kind, bit_generator) and found is not own:
                self._bit_generators.append(found)

    def now(self) -> None:
        """Give all of them new state; forget what else was drawn or cached for one process."""
        random.seed(_seed())
        for generator in self._randoms:
            random.Random.seed(generator, _seed())
        self._reseed_numpy()
        ssl.RAND_add(os.urandom(_SEED_BYTES), float(_SEED_BYTES))
        self._forget()

    def _reseed_numpy(self) -> None:
        numpy_random: Any = sys.modules.get("numpy.random")
        if numpy_random is None:
            return
        for generator in self._bit_generators:
            with generator.lock:
                generator.state = type(generator)(_seed()).state
        # Also drops the second half of a pair of normal deviates.
        words = memoryview(os.urandom(_SEED_BYTES)).cast("I").tolist()
        numpy_random.seed(words)

    def _forget(self) -> None:
        node = int.from_bytes(os.urandom(6)) | (1 << 40)
        state: dict[str, dict[str, Any]] = {
            # A random node id, as RFC 4122 has it for who has no address; the C library would keep its clock.
            "uuid": {"_node": node, "_last_timestamp": None, "_generate_time_safe": None},
            "tempfile": {"_name_sequence": None, "tempdir": None},
            "platform": {"_uname_cache": None},
        }
        for module, attributes in state.items():
            if loaded := sys.modules.get(module):
                for name, value in attributes.items():
                    setattr(loaded, name, value)
        if processes := sys.modules.get("multiprocessing.process"):
            processes.current_process().authkey = os.urandom(_SEED_BYTES)


def _seed() -> int:
    return int.from_bytes(os.urandom(_SEED_BYTES))
