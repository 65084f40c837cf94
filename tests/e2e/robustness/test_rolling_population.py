"""How many members a pool has while it replaces those of before a change of its template."""

from __future__ import annotations

from datetime import timedelta

from fixtures.conformance import conformance, provisional, uses
from fixtures.errors import Undecided
from fixtures.system.agent_sandbox.handles import IMAGE

SIZE = 3
#: So far apart that the pool, when it hears of one member, has not heard of the next.
BETWEEN_CREATIONS = timedelta(seconds=0.3)
LATENESS = timedelta(seconds=2)
#: Longer than the rest of the members, and the deletion itself, take to be heard of.
LATE_REPLY = timedelta(seconds=4)


@conformance(
    id="AS-I3b",
    profile="WARMPOOL",
    level="extended",
    features=["SandboxWarmPoolExpectations"],
    needs=["sut-restart", "api-proxy"],
)
@provisional(since="0.1.0", promote_by="2027-01-31")
@uses("sut:exclusive")
def test_pool_that_replaces_members_does_not_outgrow_its_size(
    make_template, sandboxes, sabotage, workload, wait
):
    """A pool that replaces stale members MUST NOT make one beyond its size, the leaving ones counted."""
    template = make_template()
    sabotage.rule("slow", verb="create", plural="sandboxes", seconds=BETWEEN_CREATIONS.total_seconds())
    sabotage.rule("delay-watches", everywhere=True, plural="sandboxes", seconds=LATENESS.total_seconds())
    deletion = sabotage.rule(
        "late-reply", verb="delete", plural="sandboxes", times=1, seconds=LATE_REPLY.total_seconds()
    )

    pool = sandboxes.pool(replicas=SIZE, template=template, filled=False, updateStrategy={"type": "Recreate"})
    wait.all(
        f"{SIZE} members were made",
        lambda journal: None if len(pool.creations_in(journal.history)) >= SIZE else "fewer so far",
        limit="pool_fill",
    )
    # The pool has made all and heard of none: it hears of the change, and then of one after the other.
    changed = [{"name": "agent", "image": IMAGE, "env": [{"name": "REVISION", "value": "2"}]}]
    template.patch({"spec": {"podTemplate": {"spec": {"containers": changed}}}})
    sandboxes.fill(pool, SIZE)
    if not sabotage.stop(deletion):
        raise Undecided("no stale member was deleted")

    assert workload.broken("AS-I3b") == []
