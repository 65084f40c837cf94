"""What can be done with a paused actor."""

from __future__ import annotations

from fixtures.conformance import conformance, provisional

pytestmark = provisional(since="0.1.0", promote_by="2027-01-31")


@conformance(
    id="BG-SUB-6b",
    profile="ROLLOUT",
    level="extended",
    features=["SubstrateEchoWorkload", "SubstratePause"],
    killers=["bg/delete-running"],
)
def test_paused_actor_can_only_be_resumed(substrates):
    """A paused actor MUST NOT be deleted or suspended, and MUST be resumed with its memory."""
    actor = substrates.actor(substrates.ready_template(substrates.pool()))
    substrates.settle()
    actor.resume()
    substrates.ask(actor)
    actor.pause()

    deleted = substrates.outcome(actor.delete)

    assert deleted == (
        "FAILED_PRECONDITION",
        f"Actor {actor.name} is not suspended (status: STATUS_PAUSED)",
    )
    assert substrates.describe(actor).state == "PAUSED"
    actor.resume()
    assert substrates.ask(actor)["served"] == 2
    actor.pause()
    # What becomes of it then is each release's own: v0.0.9 calls it CRASHED.
    assert substrates.outcome(actor.suspend)[0] == "INTERNAL"
