"""How often wrong controllers did what they are for: their hits, on /metrics."""

from __future__ import annotations

from typing import Final

from prometheus_client import Counter

#: A mutant that has acted is counted, so that a test that did not notice it can be told from one that never
#: met it.
FIRED: Final = Counter("rollout_mutant_fired", "Wrong acts by mutant.", ["mutant"], registry=None)


def fired(mutant: str) -> None:
    """Count a wrong act."""
    FIRED.labels(mutant).inc()
