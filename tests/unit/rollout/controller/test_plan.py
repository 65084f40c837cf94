"""Roles, order and the licence to retire, over generated sets of templates."""

from __future__ import annotations

from functools import partial
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from reference.rollout import roles
from reference.rollout.controller import plan
from reference.rollout.controller.objects import is_marked, is_terminating, name_of, was_ever_ready
from reference.rollout.leases import RETIRING_ANNOTATION
from reference.rollout.names import DESIRED_GENERATION_ANNOTATION

ORDER = partial(roles.in_order, dialect="v1_safe")


@st.composite
def templates(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Up to six templates of one agent; names differ, all else may be the same."""
    found = []
    for number in range(draw(st.integers(0, 6))):
        annotations = {DESIRED_GENERATION_ANNOTATION: str(draw(st.integers(0, 4)))}
        if draw(st.integers(0, 3)) == 0:
            annotations[RETIRING_ANNOTATION] = "x"
        metadata: dict[str, Any] = {
            "name": f"t{number}",
            "annotations": annotations,
            "creationTimestamp": f"2026-01-01T00:00:0{draw(st.integers(0, 2))}Z",
        }
        if draw(st.integers(0, 5)) == 0:
            metadata["deletionTimestamp"] = "2026-01-01T00:00:09Z"
        phase = draw(st.sampled_from(["", "ResumeGoldenActor", "WaitGoldenActor", "Ready"]))
        found.append({"metadata": metadata, "status": {"phase": phase}})
    return draw(st.permutations(found))


DESIRED = st.sampled_from([None, "t0", "t1", "t2", "t9"])


@given(templates(), DESIRED)
def test_roles_share_nothing(found: list[dict[str, Any]], desired: str | None) -> None:
    """Every template in order MUST have a role, and only desired and active may be one template."""
    ordered = ORDER(found)
    assigned = plan.assigned(ordered, desired)
    kept = [t for t in (assigned.desired, assigned.active) if t is not None]

    assert all(t not in kept for t in assigned.superseded)
    assert len(assigned.superseded) == len(ordered) - len({name_of(t) for t in kept})
    if desired is not None and assigned.desired is not None:
        assert name_of(assigned.desired) == desired


@given(templates())
def test_order_is_of_what_is_known(found: list[dict[str, Any]]) -> None:
    """The order MUST NOT depend on how templates are listed, or have terminating or marked ones in it."""
    ordered = ORDER(found)
    assert ordered == ORDER(list(reversed(found)))
    assert not any(is_marked(t) or "deletionTimestamp" in t["metadata"] for t in ordered)


@given(templates(), DESIRED)
def test_retiring_all_that_may_be_leaves_one_that_serves(
    found: list[dict[str, Any]], desired: str | None
) -> None:
    """I1, C14: with everything retired that is licensed, what was active MUST still be."""
    ordered = ORDER(found)
    assigned = plan.assigned(ordered, desired)
    candidates = [*assigned.superseded, *plan.marked(found)]
    gone = [name_of(t) for t in candidates if plan.licensed(t, ordered, ORDER)]
    left = ORDER([t for t in found if name_of(t) not in gone])

    assert plan.assigned(left, desired).active == assigned.active


@given(templates())
def test_a_licence_needs_a_more_desired_template(found: list[dict[str, Any]]) -> None:
    """I2: a once Ready template MUST NOT be licensed before a more desired one is Ready, marked or not."""
    ordered = ORDER(found)
    for template in (t for t in found if not is_terminating(t)):
        licensed = plan.licensed(template, ordered, ORDER)
        others = [t for t in ordered if name_of(t) != name_of(template)]
        at_least = [t for t in others if roles.desired_generation(t) >= roles.desired_generation(template)]
        if licensed:
            assert at_least
            assert not was_ever_ready(template) or any(roles.is_ready(t) for t in at_least)


@given(templates(), st.integers(1, 6))
def test_next_generation_is_strictly_first(found: list[dict[str, Any]], generation: int) -> None:
    """RO-1: a template with the next generation MUST be before all others, and not below its agent's."""
    others = ORDER(found)
    place = plan.next_generation(generation, others)
    annotations = {DESIRED_GENERATION_ANNOTATION: str(place)}
    metadata = {"name": "zz", "annotations": annotations, "creationTimestamp": "2020-01-01T00:00:00Z"}
    template = {"metadata": metadata}

    assert place >= generation
    assert plan.is_strictly_first(template, others)
    assert ORDER([*others, template])[0] == template
