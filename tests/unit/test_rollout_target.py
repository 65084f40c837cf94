"""What `--rollout-target` takes."""

from __future__ import annotations

import pytest

from fixtures.errors import UsageError
from fixtures.rollout_target import Target


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("reference", Target("reference")),
        ("real", Target("real")),
        ("real:v0.0.9", Target("real", "v0.0.9")),
        ("endpoint:127.0.0.1:8443", Target("endpoint", "127.0.0.1:8443")),
    ],
)
def test_a_target_is_read_and_written(text: str, target: Target) -> None:
    """Every form MUST be read, and written as it was."""
    assert Target.parse(text) == target
    assert str(target) == text


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("refrence", "unknown target 'refrence' in --rollout-target refrence; did you mean 'reference'?"),
        ("reference:v1", "--rollout-target reference:v1: write reference"),
        ("endpoint:somewhere", "--rollout-target endpoint:somewhere: write endpoint:HOST:PORT"),
    ],
)
def test_a_target_that_is_none_is_refused(text: str, says: str) -> None:
    """What cannot be meant MUST be refused with the form that can."""
    with pytest.raises(UsageError) as caught:
        Target.parse(text)
    assert str(caught.value) == says
