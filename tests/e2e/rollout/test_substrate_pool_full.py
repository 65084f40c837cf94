"""A golden that finds no free worker waits for one."""

from __future__ import annotations

from fixtures.conformance import conformance, provisional
from fixtures.system.rollout.templates import in_phase

pytestmark = provisional(since="0.1.0", promote_by="2027-01-31")


@conformance(id="BG-SUB-3", profile="ROLLOUT", level="extended", killers=["bg/golden-gives-up"])
def test_golden_waits_for_a_free_worker_and_then_becomes_ready(substrates, wait):
    """A template MUST stay in ResumeGoldenActor while its pool is full, and become Ready soon after."""
    pool = substrates.pool(replicas=1)
    session = substrates.actor(substrates.ready_template(pool))
    session.resume()
    held = substrates.stopwatch()
    second = substrates.template(pool)
    wait.until(second, in_phase("ResumeGoldenActor"), limit="phase_change")

    wait.holds(second, in_phase("ResumeGoldenActor"))
    session.suspend()
    held_for, freed = held(), substrates.stopwatch()
    substrates.ready(second)

    # Failures are repeated at growing distances: the last one is no longer than all the time before it.
    assert freed() <= held_for + wait.limits.seconds("immediately")
