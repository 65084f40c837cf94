"""What becomes of members that do not get ready."""

from __future__ import annotations

from datetime import timedelta

import pytest

from fixtures.conformance import conformance, uses
from fixtures.kube.kinds import EVENT
from fixtures.kube.snapshot import Snapshot
from fixtures.system.agent_sandbox.predicates import is_event, is_ready

GRACE = timedelta(seconds=6)
FLAGS = (
    f"--sandbox-warm-pool-readiness-grace-period={GRACE.seconds}s",
    "--sandbox-warm-pool-unschedulable-recheck-interval=1s",
)


@conformance(
    id="AS-W10",
    profile="WARMPOOL",
    level="extended",
    features=["SandboxWarmPoolReadinessGrace", "SandboxWarmPoolNotProgressing"],
    needs=["scheduler", "sut-restart"],
    killers=["as/hide-unsched"],
)
@uses("sut:exclusive")
@pytest.mark.parametrize("case", ["stuck", "unschedulable"])
def test_stuck_members_are_replaced_unless_unschedulable(
    controller, make_template, make_pool, sandboxes, closed_room, wait, case
):
    """A member not ready after its grace period MUST be replaced, or held with events if unschedulable."""
    controller.start(*FLAGS)
    # A scheduler that does not exist says nothing of its Pods, not even that it cannot place them.
    spec = {"schedulerName": "nobody"} if case == "stuck" else {"nodeSelector": closed_room.selector}
    pool = make_pool(replicas=2, template=make_template(podTemplate={"spec": spec}), filled=False)

    if case == "stuck":

        def missing(journal):
            made = len(pool.creations_in(journal.history))
            return None if made >= 4 else f"{made} creations"

        wait.all("two members were replaced", missing, limit="phase_change")
        first, second, *later = [member for member, _ in pool.creations()]
        wait.gone(sandboxes.named(first.name))
        wait.gone(sandboxes.named(second.name))
        assert min(m.created for m in later) >= first.created + GRACE
    else:
        wait.any(EVENT, Snapshot, is_event("WarmPoolNotProgressing", pool.uid), limit="phase_change")
        held = pool.members()
        assert len(held) == 2
        # Time for several looks at them.
        wait.holds(sandboxes.handle(held[0]), ~is_ready())
        assert [m.uid for m, _ in pool.creations()] == [m.uid for m in held]
        warnings = [s for s in wait.history().live(EVENT) if is_event("WarmPoolNotProgressing", pool.uid)(s)]
        assert len(warnings) == 1

        # Those that were held may be replaced now: older than the grace period, and not unschedulable.
        closed_room.open()
        wait.any(EVENT, Snapshot, is_event("WarmPoolProgressing", pool.uid), limit="phase_change")
        sandboxes.fill(pool, 2)
