"""From which states an actor can be deleted."""

from __future__ import annotations

from fixtures.conformance import conformance, provisional

pytestmark = provisional(since="0.1.0", promote_by="2027-01-31")


@conformance(id="BG-SUB-6", profile="ROLLOUT", level="extended", killers=["bg/delete-running"])
def test_only_a_suspended_actor_can_be_deleted(substrates):
    """DeleteActor MUST be refused with the actor's state unless it is SUSPENDED."""
    actor = substrates.actor(substrates.ready_template(substrates.pool()))
    actor.resume()

    refused = substrates.outcome(actor.delete)

    assert refused == (
        "FAILED_PRECONDITION",
        f"Actor {actor.name} is not suspended (status: STATUS_RUNNING)",
    )
    assert substrates.describe(actor).state == "RUNNING"
    actor.suspend()
    assert substrates.outcome(actor.delete) == ("OK", "")
    assert actor.find() is None
    assert substrates.outcome(actor.delete) == ("NOT_FOUND", f"Actor {actor.name} not found")
