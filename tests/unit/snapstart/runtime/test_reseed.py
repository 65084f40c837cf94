"""What reseeding changes in a process."""

from __future__ import annotations

import gc
import multiprocessing.process
import platform
import random
import tempfile
import uuid
from collections.abc import Callable
from typing import Any

import numpy
import pytest

from reference.snapstart.runtime.reseed import Reseeding

HELD = random.Random(1)
HELD_GENERATOR = numpy.random.default_rng(1)
HELD_STATE = numpy.random.RandomState(1)
NORMAL = numpy.random.RandomState(1)


class OwnRandom(random.Random):
    """A generator as a library may have it, whose seed cannot be given to it."""

    def seed(self, *_arguments: Any, **_options: Any) -> None:
        """Not with me."""


OWN = OwnRandom()


def restored(draw: Callable[[], Any], monkeypatch: pytest.MonkeyPatch) -> set[Any]:
    """What 8 sessions draw that go on from one state."""
    del monkeypatch
    state = numpy.random.get_state()
    python = random.getstate()
    reseeding = Reseeding()
    reseeding.find()
    drawn = set()
    try:
        for _ in range(8):
            random.setstate(python)
            numpy.random.set_state(state)
            for held in (HELD, OWN):
                held.setstate(random.Random(1).getstate())
            HELD_GENERATOR.bit_generator.state = numpy.random.default_rng(1).bit_generator.state
            HELD_STATE.seed(1)
            reseeding.now()
            drawn.add(draw())
    finally:
        random.setstate(python)
        numpy.random.set_state(state)
    return drawn


@pytest.mark.parametrize(
    "draw",
    [
        random.random,
        HELD.random,
        OWN.random,
        lambda: float(numpy.random.random()),
        lambda: float(numpy.random.normal()),
        lambda: float(HELD_GENERATOR.random()),
        lambda: float(HELD_STATE.random_sample()),
        lambda: next(tempfile._get_candidate_names()),  # type: ignore[attr-defined]
        lambda: uuid.uuid1().node,
        lambda: bytes(multiprocessing.process.current_process().authkey),
    ],
    ids=[
        "random",
        "held Random",
        "held subclass of Random",
        "numpy",
        "numpy normal",
        "held Generator",
        "held RandomState",
        "tempfile",
        "uuid1",
        "authkey",
    ],
)
def test_sessions_of_one_state_draw_different_values(
    draw: Callable[[], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every source MUST give each session a value of its own, although all go on from one state."""
    for module, name in (
        (uuid, "_node"),
        (uuid, "_last_timestamp"),
        (uuid, "_generate_time_safe"),
        (tempfile, "_name_sequence"),
        (tempfile, "tempdir"),
        (platform, "_uname_cache"),
    ):
        monkeypatch.setattr(module, name, getattr(module, name))
    assert len(restored(draw, monkeypatch)) == 8


def test_frozen_generators_are_found_before_they_are_frozen() -> None:
    """A generator that only a library holds MUST be found, although the collector sees it no longer."""
    library = {"hidden": random.Random(5)}
    reseeding = Reseeding()
    reseeding.find()
    gc.freeze()
    try:
        before = library["hidden"].getstate()
        reseeding.now()
        assert library["hidden"].getstate() != before
    finally:
        gc.unfreeze()
