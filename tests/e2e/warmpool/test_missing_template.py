"""What a pool does without its template."""

from __future__ import annotations

import pytest

from fixtures.conformance import conformance
from fixtures.system.agent_sandbox.predicates import has_counted, is_handled

LATE_TEMPLATE = "late-template"


@conformance(id="AS-W09", profile="WARMPOOL", level="core", killers=["as/no-wake-template"])
@pytest.mark.parametrize("case", ["never-there", "deleted"])
def test_pool_without_template_waits_for_it(make_template, make_pool, sandboxes, wait, case):
    """A pool without its template MUST create and replace nothing, still shrink, and fill once it exists."""
    if case == "never-there":
        pool = sandboxes.pool_of(LATE_TEMPLATE, replicas=3)
        wait.until(pool, is_handled(), limit="immediately")
        kept = []
    else:
        template = make_template(name=LATE_TEMPLATE)
        pool = make_pool(replicas=3, template=template, updateStrategy={"type": "Recreate"})
        template.delete()
        wait.gone(template)
        sandboxes.shrink(pool, 2)
        kept = [m.name for m in pool.members()]
        pool.patch({"spec": {"replicas": 3}})
        # One worker serves all pools: when this one is filled, the first one's turn is over.
        make_pool(replicas=1)
    current = wait.current(pool)
    assert has_counted(len(kept), len(kept))(current), current.brief()
    assert [m.name for m in pool.members()] == kept

    make_template(name=LATE_TEMPLATE)
    sandboxes.fill(pool, 3)

    # The same template again: those that stayed are not stale.
    assert [m.name for m in pool.members()][: len(kept)] == kept
