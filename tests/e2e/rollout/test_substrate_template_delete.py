"""What the deletion of a template leaves behind."""

from __future__ import annotations

from fixtures.conformance import conformance, provisional

pytestmark = provisional(since="0.1.0", promote_by="2027-01-31")


@conformance(id="BG-SUB-4", profile="ROLLOUT", level="extended", killers=["bg/golden-cleanup"])
def test_deleting_a_template_leaves_its_golden(substrates):
    """Deleting a template MUST clean up nothing: its golden stays, suspended, with its snapshot."""
    pool = substrates.pool()
    template = substrates.ready_template(pool)
    golden = substrates.golden(template)
    before = substrates.describe(golden)

    substrates.delete(template)
    # A template made and Ready after the deletion: whatever the substrate does about one, it has done.
    substrates.ready_template(pool)

    assert golden.find() == before


@conformance(id="BG-SUB-5", profile="ROLLOUT", level="extended", killers=["bg/strand-heal"])
def test_running_actor_of_a_deleted_template_is_stranded(substrates):
    """Without its template a running actor MUST be stuck on its worker, until one of that name is back."""
    pool = substrates.pool(replicas=2)
    template = substrates.ready_template(pool)
    actor = substrates.actor(template)
    running = actor.resume()
    substrates.delete(template)

    # Resuming what runs changes nothing, so it can be asked again until ate-api knows of the deletion.
    resumed, _ = substrates.until(
        "ate-api misses the template",
        lambda: substrates.outcome(actor.resume),
        lambda outcome: outcome != ("OK", ""),
        limit="immediately",
    )
    assert resumed == "INTERNAL"
    assert substrates.outcome(actor.suspend)[0] == "INTERNAL"
    assert substrates.outcome(actor.delete)[0] == "FAILED_PRECONDITION"
    assert substrates.describe(actor) == running
    assert pool.taken_by() == [actor.name]

    substrates.ready_template(pool, name=template.name)
    assert actor.suspend().state == "SUSPENDED"
    assert pool.taken_by() == []
