"""Waiting for what no watch tells."""

from __future__ import annotations

import time

import pytest

from fixtures.patience import holds_within, succeeds_within


def test_a_question_is_asked_until_it_holds() -> None:
    """An answer that becomes true in time MUST count, and the question MUST NOT be asked again after it."""
    answers = iter([False, False, True])
    assert holds_within(10, lambda: next(answers), period=0)
    assert list(answers) == []


def test_a_question_that_never_holds_ends_with_its_time() -> None:
    """A wait MUST end after its seconds, and say no."""
    began = time.monotonic()
    assert not holds_within(0.05, lambda: False, period=0.01)
    assert time.monotonic() - began < 5


def test_what_a_question_raises_is_not_waited_out() -> None:
    """An error MUST end the wait at once."""
    asked = []

    def broken() -> bool:
        asked.append(1)
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        holds_within(10, broken)
    assert len(asked) == 1


def attempts(*results: object) -> tuple[list[object], object]:
    """An attempt that goes through `results`, raising those that are errors; and what is left of them."""
    left = list(results)

    def attempt() -> object:
        result = left.pop(0)
        if isinstance(result, Exception):
            raise result
        return result

    return left, attempt


def test_an_attempt_is_made_until_it_succeeds() -> None:
    """Failures of the kind named MUST be tried again, others not; the result MUST be the attempt's own."""
    left, attempt = attempts(KeyError("1"), KeyError("2"), "found", "more")
    assert succeeds_within(10, attempt, KeyError, period=0) == "found"  # type: ignore[arg-type]
    assert left == ["more"]

    left, attempt = attempts(KeyError("1"), ValueError("2"), "found")
    with pytest.raises(ValueError, match="2"):
        succeeds_within(10, attempt, KeyError, period=0)  # type: ignore[arg-type]
    assert left == ["found"]


def test_the_last_failure_is_told() -> None:
    """An attempt that never succeeds MUST end with its own last error."""
    with pytest.raises(KeyError, match="last"):
        succeeds_within(0, attempts(KeyError("last"))[1], KeyError)  # type: ignore[arg-type]
