"""What the controller's ready probe is worth."""

from __future__ import annotations

from fixtures.conformance import conformance, uses
from fixtures.system.agent_sandbox.predicates import is_not_ready


@conformance(id="AS-BIN-4", profile="WARMPOOL", level="extended", needs=["sut-restart"], killers=["as/null"])
@uses("sut:exclusive")
def test_controller_works_soon_after_its_ready_probe_answers(controller, make_claim, wait):
    """A controller whose ready probe answers MUST soon handle what is waiting and what is new."""
    controller.kill()
    waiting = make_claim("no-such-pool")
    # Returns when the probe answers: a plain ping, which says nothing about caches and queues.
    controller.process.start()
    new = make_claim("no-such-pool")

    wait.until(waiting, is_not_ready("WarmPoolNotFound"), limit="immediately")
    wait.until(new, is_not_ready("WarmPoolNotFound"), limit="immediately")
