"""How a template becomes Ready: the golden actor is booted, waited for, suspended, and stays suspended."""

from __future__ import annotations

from fixtures.conformance import conformance, provisional

pytestmark = provisional(since="0.1.0", promote_by="2027-01-31")

GOLDEN_MACHINE = ["", "ResumeGoldenActor", "WaitGoldenActor", "Ready"]


@conformance(
    id="BG-SUB-1", profile="ROLLOUT", level="extended", killers=["bg/golden-running", "bg/ready-no-snapshot"]
)
def test_template_becomes_ready_in_order_with_a_suspended_golden(substrates):
    """A template MUST reach Ready through every phase, with a snapshot and a golden that is SUSPENDED."""
    template = substrates.template(substrates.pool())

    ready = substrates.ready(template)

    assert substrates.phases(template) == GOLDEN_MACHINE
    golden = substrates.describe(substrates.golden(template))
    assert golden.state == "SUSPENDED"
    assert golden.template == template.name
    # What new actors start from is what the golden left behind.
    assert ready.status.get("goldenSnapshot") == golden.snapshot != ""
    assert ready.condition("Ready").status == "True"
