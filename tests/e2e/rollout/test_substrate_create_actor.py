"""What CreateActor makes and what it refuses."""

from __future__ import annotations

import dataclasses

import pytest

from fixtures.conformance import conformance
from fixtures.errors import Undecided
from fixtures.system.rollout.actors import Actor


@conformance(id="BG-SUB-9", profile="ROLLOUT", level="extended", killers=["bg/create-unchecked"])
def test_actor_is_created_suspended_once_for_a_template_that_exists(substrates):
    """CreateActor MUST make a SUSPENDED actor of version 1, and refuse a missing template or a taken id."""
    ate = substrates.ate
    template = substrates.template(substrates.pool())

    actor = substrates.actor(template)

    assert substrates.describe(actor) == Actor(
        actor, 1, template.full_name, "SUSPENDED", worker="", snapshot=""
    )
    again = substrates.outcome(ate.create, actor, template.full_name)
    assert again == ("ALREADY_EXISTS", f"Actor {actor.name} already exists")
    missing = f"{substrates.namespace}/none"
    fresh = dataclasses.replace(actor, name=f"{actor.name[:40]}-other")
    assert substrates.outcome(ate.create, fresh, missing) == (
        "FAILED_PRECONDITION",
        f"ActorTemplate {missing} not found",
    )
    assert ate.find(fresh) is None


@conformance(id="BG-SUB-9b", profile="ROLLOUT", level="extended", killers=["bg/create-unchecked"])
@pytest.mark.parametrize("name", ["", "Upper", "-begins", "ends-", "dotted.name", "x" * 64])
def test_actor_id_that_is_no_dns_label_is_refused(substrates, name):
    """CreateActor MUST refuse an id that is no DNS label with INVALID_ARGUMENT."""
    template = substrates.template(substrates.pool())
    actor = substrates.actor(template)

    code, _ = substrates.outcome(
        substrates.ate.create, dataclasses.replace(actor, name=name), template.full_name
    )

    assert code == "INVALID_ARGUMENT"


@conformance(id="BG-SUB-9c", profile="ROLLOUT", level="extended", killers=["bg/create-unchecked"])
def test_actor_in_a_missing_atespace_is_refused(substrates):
    """CreateActor MUST refuse an atespace that does not exist with FAILED_PRECONDITION."""
    if not substrates.ate.has_atespaces:
        raise Undecided("this substrate has no atespaces")
    template = substrates.template(substrates.pool())
    nowhere = dataclasses.replace(substrates.actor(template), atespace="nowhere")

    assert substrates.outcome(substrates.ate.create, nowhere, template.full_name) == (
        "FAILED_PRECONDITION",
        "Atespace nowhere not found",
    )
