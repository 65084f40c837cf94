"""How often each wrong controller did what it is for."""

from __future__ import annotations

from typing import Final

from prometheus_client import Counter

FIRED: Final = Counter("snapstart_mutant_fired", "Wrong acts by mutant.", ["mutant"], registry=None)


def fired(mutant: str) -> None:
    """A mutant has acted."""
    FIRED.labels(mutant).inc()
