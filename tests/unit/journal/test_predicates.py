"""Predicates: what they accept, how they read, and what they say instead."""

from __future__ import annotations

import pytest

from fixtures.journal.predicates import Predicate, condition, exists, field
from fixtures.kube.kinds import POD
from fixtures.kube.snapshot import Snapshot
from tests.unit.journal.objects import build, ready


def pod(*, generation: int = 1, **status: object) -> Snapshot:
    """A Pod with that status."""
    return Snapshot(build(POD, "a", 1, generation=generation, status=status))


def pod_ready(status: str = "True", **more: object) -> Snapshot:
    """A Pod with a Ready condition."""
    return pod(conditions=ready(status, **more))  # type: ignore[arg-type]


HOT = Predicate(
    "hot", lambda s: s.status.get("temperature") == "hot", lambda s: f"it is {s.status['temperature']}"
)
BIG = Predicate("big", lambda s: s.status.get("size") == "big", lambda s: f"it is {s.status['size']}")


@pytest.mark.parametrize(
    ("temperature", "size", "both", "either"),
    [
        ("hot", "big", True, True),
        ("hot", "small", False, True),
        ("cold", "big", False, True),
        ("cold", "small", False, False),
    ],
)
def test_predicates_combine(temperature: str, size: str, both: bool, either: bool) -> None:
    """`&`, `|` and `~` MUST mean and, or and not."""
    state = pod(temperature=temperature, size=size)

    assert (HOT & BIG)(state) is both
    assert (HOT | BIG)(state) is either
    assert (~HOT)(state) is not HOT(state)


def test_combined_predicates_read_as_sentences() -> None:
    """The text and the actual state of a combination MUST name both parts, the same words once."""
    state = pod(temperature="cold", size="small")

    assert str(HOT & BIG) == "hot and big"
    assert str(HOT | BIG) == "hot or big"
    assert str(~(HOT & BIG)) == "not (hot and big)"
    assert (HOT & BIG).actual(state) == (HOT | BIG).actual(state) == "it is cold; it is small"
    assert (HOT & ~HOT).actual(state) == "it is cold"


def test_any_state_exists() -> None:
    """`exists` MUST accept whatever there is."""
    assert exists()(pod())
    assert exists().actual(pod(phase="Running", conditions=ready())) == "phase=Running Ready=True/Ready"


@pytest.mark.parametrize(
    ("wanted", "state", "accepted"),
    [
        (condition("Ready", "True"), pod_ready(), True),
        (condition("Ready", "True"), pod_ready("False"), False),
        (condition("Ready", "True"), pod(), False),
        (condition("Other", "True"), pod_ready(), False),
        (condition("Ready", "True", "Ready"), pod_ready(), True),
        (condition("Ready", "True", "Other"), pod_ready(), False),
        (condition("Ready", "True", message="IP"), pod_ready(message="has IP"), True),
        (condition("Ready", "True", message="IP"), pod_ready(message="none"), False),
    ],
)
def test_a_condition_is_judged_by_all_that_is_given(
    wanted: Predicate, state: Snapshot, accepted: bool
) -> None:
    """Status, reason and message MUST all fit where they are given."""
    assert wanted(state) is accepted


@pytest.mark.parametrize(("observed", "accepted"), [(1, False), (2, True), (3, True)])
def test_a_stale_condition_does_not_count_as_fresh(observed: int, accepted: bool) -> None:
    """With `fresh`, a condition of an older generation MUST NOT count; without, it does."""
    state = pod(generation=2, conditions=ready(observedGeneration=observed))

    assert condition("Ready", "True", fresh=True)(state) is accepted
    assert condition("Ready", "True")(state)


def test_what_a_condition_shows_instead() -> None:
    """The actual state MUST name status, reason and message, and say when it is only too old."""
    wanted = condition("Ready", "True", "Ready", message="IP", fresh=True)

    assert str(wanted) == "condition Ready=True/Ready with a message containing 'IP'"
    assert wanted.actual(pod()) == "no condition Ready"
    assert wanted.actual(pod_ready("False", message="no IP")) == "Ready=False/Ready, stale (no IP)"
    assert condition("Ready", "True").actual(pod_ready("False")) == "Ready=False/Ready"


def test_a_field_equals() -> None:
    """`field` MUST compare the value and quote it."""
    phase = field("phase", lambda s: s.status.get("phase"), "Running")

    assert phase(pod(phase="Running"))
    assert not phase(pod(phase="Pending"))
    assert str(phase) == "phase is 'Running'"
    assert phase.actual(pod(phase="Pending")) == "phase is 'Pending'"
