"""Request leases and the order of templates: what controller and gateway have in common."""

from __future__ import annotations

import datetime
from typing import Any

import pytest

from reference.rollout.leases import DURATION, RETIRING_ANNOTATION, holders, lease, lease_name, selector
from reference.rollout.roles import DESIRED_GENERATION, active, in_order

NOW = datetime.datetime(2026, 1, 2, 3, 4, 5, 600_000, datetime.UTC)


def after(seconds: float) -> datetime.datetime:
    return NOW + datetime.timedelta(seconds=seconds)


def test_lease_is_in_force_until_it_expires() -> None:
    """A lease MUST be in force from its renewal on, and MUST NOT be any more once its duration is over."""
    found = [lease("g-1", "ns", "t", NOW)]

    assert holders(found, "t", NOW) == ["g-1"]
    assert holders(found, "t", after(DURATION - 0.1)) == ["g-1"]
    assert holders(found, "t", after(DURATION)) == []


def test_leases_on_other_templates_do_not_count() -> None:
    """Only leases on the template asked about MUST count, each gateway once and in order."""
    found = [lease(g, "ns", t, NOW) for g, t in (("g-2", "t"), ("g-1", "t"), ("g-1", "other"))]

    assert holders(found, "t", NOW) == ["g-1", "g-2"]


def test_lease_that_says_too_little_counts() -> None:
    """A lease without a renewal time MUST count."""
    found = lease("g-1", "ns", "t", NOW)
    del found["spec"]["renewTime"]

    assert holders([found], "t", after(10 * DURATION)) == ["g-1"]


def test_lease_name_is_a_dns_label_and_differs() -> None:
    """Each pair of gateway and template MUST have a lease of its own, with a name that the API server
    takes.
    """
    names = {lease_name(g, t) for g in ("a", "a/b") for t in ("c", "b/c", "x" * 63)}

    assert len(names) == 6
    assert all(len(name) <= 63 for name in names)
    assert selector("t") == "rollout.reference/lease-on=t"


def template(name: str, place: int | None, created: str = "00", phase: str = "Ready", **metadata: Any) -> Any:
    annotations = {} if place is None else {DESIRED_GENERATION: str(place)}
    annotations |= metadata.pop("annotations", {})
    return {
        "metadata": {
            "name": name,
            "creationTimestamp": f"2026-01-01T00:00:{created}Z",
            "annotations": annotations,
            **metadata,
        },
        "status": {"phase": phase},
    }


def names_of(templates: Any) -> list[str]:
    return [t["metadata"]["name"] for t in templates]


@pytest.mark.parametrize("dialect", ["v1_safe", "retain", "pinned", "refcount"])
def test_order_is_by_place_then_age_then_name(dialect: str) -> None:
    """The most desired template MUST come first; ties MUST be broken by creation time, then by name."""
    found = [
        template("b", 1, "01"),
        template("a", 1, "01"),
        template("newer", 1, "02"),
        template("placed", 2),
        template("unplaced", None, "59"),
    ]

    assert names_of(in_order(found, dialect)) == ["placed", "newer", "a", "b", "unplaced"]


def test_v1_goes_by_age_alone() -> None:
    """V1 MUST go by creation time, whatever place a template has."""
    found = [template("old", 9, "01"), template("new", 1, "02")]

    assert names_of(in_order(found, "v1")) == ["new", "old"]


def test_active_is_the_most_desired_that_is_ready() -> None:
    """The active template MUST be Ready, and neither marked nor terminating."""
    found = [
        template("building", 5, phase="ResumeGoldenActor"),
        template("marked", 4, annotations={RETIRING_ANNOTATION: "now"}),
        template("going", 3, deletionTimestamp="2026-01-01T00:00:00Z"),
        template("active", 2),
        template("old", 1),
    ]

    chosen = active(found, "v1_safe")
    assert chosen is not None
    assert chosen["metadata"]["name"] == "active"
    assert active(found[:3], "v1_safe") is None
