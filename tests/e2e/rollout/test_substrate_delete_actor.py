"""From which states an actor can be deleted."""

from __future__ import annotations

from fixtures.conformance import conformance


@conformance(id="BG-SUB-6", profile="ROLLOUT", level="extended", killers=["bg/delete-running"])
def test_only_a_suspended_actor_can_be_deleted(substrates):
    """DeleteActor MUST be refused with the actor's state unless it is SUSPENDED."""
    template = substrates.ready_template(substrates.pool())
    actor = substrates.actor(template)
    ate = substrates.ate
    ate.resume(actor)

    refused = substrates.outcome(ate.delete, actor)

    assert refused == (
        "FAILED_PRECONDITION",
        f"Actor {actor.name} is not suspended (status: STATUS_RUNNING)",
    )
    assert substrates.describe(actor).status == "RUNNING"
    ate.suspend(actor)
    ate.delete(actor)
    assert ate.find(actor) is None
    assert substrates.outcome(ate.delete, actor) == ("NOT_FOUND", f"Actor {actor.name} not found")
