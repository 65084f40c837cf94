"""On which worker an actor is resumed, and with which memory."""

from __future__ import annotations

from fixtures.conformance import conformance, provisional

pytestmark = provisional(since="0.1.0", promote_by="2027-01-31")


@conformance(id="BG-SUB-8", profile="ROLLOUT", level="extended", killers=["bg/resume-wrong-pool"])
def test_actor_runs_on_a_free_worker_that_its_template_selects(substrates):
    """ResumeActor MUST take a free worker of selected pools and class, and be refused where there is none."""
    selected = substrates.pool(name="selected")
    other = substrates.pool(name="other")
    other_class = substrates.pool(name="other-class", label="selected", sandbox_class="microvm")
    template = substrates.ready_template(selected)
    first, second = (substrates.actor(template, name) for name in ("first", "second"))

    running = first.resume()
    full = substrates.outcome(second.resume)

    assert (running.worker, full) == (
        selected.workers()[0].pod,
        ("FAILED_PRECONDITION", "no free workers available"),
    )
    assert (other.taken_by(), other_class.taken_by()) == ([], [])

    # Refused, it holds nothing: it is as it was, and runs once there is room.
    assert substrates.describe(second).state == "SUSPENDED"
    first.suspend()
    assert second.resume().worker == running.worker


@conformance(
    id="BG-SUB-8b",
    profile="ROLLOUT",
    level="extended",
    features=["SubstrateEchoWorkload"],
    killers=["bg/golden-memory"],
)
def test_resumed_actor_has_its_own_memory_and_a_new_one_that_of_the_golden(substrates):
    """An actor MUST be resumed from its latest snapshot, and a new one from its template's golden."""
    template = substrates.ready_template(substrates.pool(replicas=2))
    first, second = (substrates.actor(template, name) for name in ("first", "second"))
    substrates.settle()

    first.resume()
    answers = [substrates.ask(first), substrates.ask(first)]
    first.suspend()
    first.resume()
    answers.append(substrates.ask(first))
    second.resume()
    answers.append(substrates.ask(second))

    # The golden was the first boot of this memory; every resume is one more.
    assert [(a["actor_id"], a["boot_count"], a["served"]) for a in answers] == [
        (first.name, 2, 1),
        (first.name, 2, 2),
        (first.name, 3, 3),
        (second.name, 2, 1),
    ]
