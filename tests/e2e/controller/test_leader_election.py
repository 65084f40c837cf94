"""Two controllers, of which one leads."""

from __future__ import annotations

import pytest

from fixtures.conformance import conformance, uses
from fixtures.journal import Ref
from fixtures.kube.kinds import LEASE
from fixtures.system.agent_sandbox.controller import election
from fixtures.system.agent_sandbox.predicates import is_held, is_held_by, is_held_by_other_than, is_not_ready
from fixtures.system.agent_sandbox.views import Lease

LEASE_NAME = "a3317529.agent-sandbox.x-k8s.io"


@conformance(
    id="AS-BIN-5",
    profile="WARMPOOL",
    level="extended",
    strength="SHOULD",
    needs=["sut-restart"],
    killers=["as/lease-kept"],
)
@uses("sut:exclusive")
@pytest.mark.parametrize("end", ["stopped", "killed"])
def test_second_controller_takes_over(controller, second_controller, namespace, make_claim, wait, end):
    """A leader that is told to end SHOULD hand over at once, one that dies when its Lease has run out."""
    lease = Ref(LEASE, LEASE_NAME, Lease)
    controller.start(*election(namespace))
    leader = wait.until(lease, is_held(), limit="sut_ready").holder
    second_controller.start(*election(namespace))
    wait.holds(lease, is_held_by(leader))

    if end == "stopped":
        controller.stop()
        wait.until(lease, is_held_by_other_than(leader), limit="immediately")
    else:
        controller.kill()
        last = wait.current(lease)
        taken = wait.until(lease, is_held_by_other_than(leader), limit="lease_taken")
        assert taken.acquired >= last.expiry

    claim = make_claim("no-such-pool")
    wait.until(claim, is_not_ready("WarmPoolNotFound"), limit="immediately")
