"""Programs that are wrong on purpose: mutants in the place of right parts.

A program is put together from a frozen dataclass of parts, classes and what of them is optional, whose
defaults are the right ones. A mutant is such a dataclass with one part exchanged.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

P = TypeVar("P", bound="DataclassInstance")


def combined(parts: P, mutants: Iterable[P]) -> P:
    """Put mutants in the place of right parts; two of the same part are both in the one that results."""
    right = type(parts)()
    for wrong in mutants:
        for part in fields(parts):
            mutated: Any = getattr(wrong, part.name)
            if mutated == getattr(right, part.name):
                continue
            present = getattr(parts, part.name)
            if isinstance(mutated, type) and present is not getattr(right, part.name):
                mutated = type(f"{mutated.__name__}And{present.__name__}", (mutated, present), {})
            parts = replace(parts, **{part.name: mutated})
    return parts
