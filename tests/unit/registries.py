"""What every registry of mutants that are dataclasses of parts must be (`reference.mutation`)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any


def each_differs_in_one_part(
    mutants: Iterable[str], parts: type[Any], apply: Callable[[Any, Iterable[str]], Any]
) -> None:
    """A mutant MUST replace one part; none MUST leave everything right. Raises AssertionError."""
    for name in mutants:
        mutated = apply(parts(), [name])
        assert sum(vars(mutated)[part] != vars(parts())[part] for part in vars(parts())) == 1, name
    assert apply(parts(), []) == parts()
