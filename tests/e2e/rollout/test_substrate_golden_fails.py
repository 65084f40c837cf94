"""A golden whose workload does not start: the substrate goes on trying and never gives up."""

from __future__ import annotations

from fixtures.conformance import conformance, provisional
from fixtures.system.rollout.templates import in_phase

pytestmark = provisional(since="0.1.0", promote_by="2027-01-31")


@conformance(
    id="BG-SUB-2",
    profile="ROLLOUT",
    level="extended",
    features=["SubstrateEchoWorkload"],
    killers=["bg/golden-gives-up"],
)
def test_failing_golden_keeps_trying_and_holds_one_worker(substrates, wait):
    """While its golden cannot boot a template MUST stay in ResumeGoldenActor, and hold one worker."""
    pool = substrates.pool(replicas=2)
    template = substrates.template(pool, boot="fail")
    wait.until(template, in_phase("ResumeGoldenActor"), limit="phase_change")
    golden = substrates.golden(template)
    substrates.until_state(golden, "RESUMING")

    wait.holds(template, in_phase("ResumeGoldenActor"))

    assert golden.get().state == "RESUMING"
    assert pool.taken_by() == [golden.name]
    assert "Failed" not in substrates.phases(template)
