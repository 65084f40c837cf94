"""What the deletion of a template leaves behind."""

from __future__ import annotations

from fixtures.conformance import conformance


@conformance(id="BG-SUB-4", profile="ROLLOUT", level="extended", killers=["bg/golden-cleanup"])
def test_deleting_a_template_leaves_its_golden(substrates, wait):
    """Deleting a template MUST clean up nothing: its golden stays, suspended, with its snapshot."""
    template = substrates.ready_template(substrates.pool())
    golden = substrates.describe(substrates.golden(template))

    substrates.delete(template)
    # A template made and Ready after the deletion: whatever the substrate does about one, it has done.
    substrates.ready_template("pool", name="barrier")

    assert substrates.ate.find(golden.id) == golden


@conformance(id="BG-SUB-5", profile="ROLLOUT", level="extended", killers=["bg/strand-heal"])
def test_running_actor_of_a_deleted_template_is_stranded(substrates):
    """Without its template a running actor MUST be stuck on its worker, until one of that name is back."""
    pool = substrates.pool(replicas=2)
    template = substrates.ready_template(pool)
    actor = substrates.actor(template)
    ate = substrates.ate
    running = ate.resume(actor)
    substrates.delete(template)

    # Resuming what runs changes nothing, so it can be asked again until ate-api knows of the deletion.
    resumed, _ = substrates.until(
        "ate-api misses the template",
        lambda: substrates.outcome(ate.resume, actor),
        lambda outcome: outcome != ("OK", ""),
        limit="immediately",
    )
    assert resumed == "INTERNAL"
    assert substrates.outcome(ate.suspend, actor)[0] == "INTERNAL"
    assert substrates.outcome(ate.delete, actor)[0] == "FAILED_PRECONDITION"
    assert substrates.describe(actor) == running
    assert [w.actor for w in pool.workers() if w.actor is not None] == [actor]

    substrates.ready_template(pool, name=template.name)
    assert ate.suspend(actor).status == "SUSPENDED"
    assert len(pool.free()) == 2
