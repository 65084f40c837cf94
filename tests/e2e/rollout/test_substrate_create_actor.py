"""What CreateActor makes and what it refuses."""

from __future__ import annotations

import pytest

from fixtures.conformance import conformance, provisional
from fixtures.errors import Undecided
from fixtures.system.rollout.templates import Template

pytestmark = provisional(since="0.1.0", promote_by="2027-01-31")


@conformance(id="BG-SUB-9", profile="ROLLOUT", level="extended", killers=["bg/create-unchecked"])
def test_actor_is_created_suspended_once_for_a_template_that_exists(substrates):
    """CreateActor MUST make a SUSPENDED actor of version 1, and refuse a missing template or a taken id."""
    template = substrates.template(substrates.pool())

    actor = substrates.actor(template)

    created = substrates.describe(actor)
    assert (created.state, created.version, created.template) == ("SUSPENDED", 1, template.name)
    assert (created.worker, created.snapshot) == ("", "")
    taken = substrates.outcome(actor.create, template)
    assert taken == ("ALREADY_EXISTS", f"Actor {actor.name} already exists")
    other = substrates.named("other")
    missing = substrates.outcome(other.create, Template(substrates.namespace, "none"))
    assert missing == ("FAILED_PRECONDITION", f"ActorTemplate {substrates.namespace}/none not found")
    assert other.find() is None


@conformance(id="BG-SUB-9b", profile="ROLLOUT", level="extended", killers=["bg/any-id"])
@pytest.mark.parametrize("name", ["", "Upper", "-begins", "ends-", "dotted.name", "x" * 64])
def test_actor_id_that_is_no_dns_label_is_refused(substrates, name):
    """CreateActor MUST refuse an id that is no DNS label with INVALID_ARGUMENT."""
    template = substrates.template(substrates.pool())
    # It exists, so only the id can be wrong.
    substrates.actor(template)

    code, _ = substrates.outcome(substrates.named(name).create, template)

    assert code == "INVALID_ARGUMENT"


@conformance(
    id="BG-SUB-9c",
    profile="ROLLOUT",
    level="extended",
    features=["SubstrateAtespaces"],
    killers=["bg/create-unchecked"],
)
def test_actor_in_a_missing_atespace_is_refused(substrates):
    """CreateActor MUST refuse an atespace that does not exist with FAILED_PRECONDITION."""
    if not substrates.ate.has_atespaces:
        raise Undecided("this substrate has no atespaces")
    template = substrates.template(substrates.pool())
    substrates.actor(template)

    refused = substrates.outcome(substrates.named("session", "nowhere").create, template)

    assert refused == ("FAILED_PRECONDITION", "Atespace nowhere not found")
