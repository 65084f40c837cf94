"""Members that their pool's template has left behind, and what a claim makes of them."""

from __future__ import annotations

import pytest

from fixtures.conformance import conformance, uses
from fixtures.journal.predicates import exists
from fixtures.kube.kinds import SANDBOX
from fixtures.system.agent_sandbox.handles import pod_spec
from fixtures.system.agent_sandbox.predicates import is_bound, is_not_ready, owned_by

OLD = pod_spec()["containers"][0]["image"]
NEW = "registry.k8s.io/pause:3.9"
CONTAINER = pod_spec()["containers"][0] | {"image": NEW}
STALE = {"podTemplate": {"spec": {"containers": [CONTAINER]}}}
FRESH = {"podTemplate": {"metadata": {"labels": {"tier": "gold"}}}}


@conformance(
    id="AS-Q13",
    profile="WARMPOOL",
    level="extended",
    features=["SandboxWarmPoolRecreateCheck"],
    needs=["api-proxy", "sut-restart"],
    killers=["as/stale-template", "as/never-roll", "as/roll-anyway"],
)
@uses("sut:exclusive")
@pytest.mark.parametrize(
    ("strategy", "change"),
    [("Recreate", "spec"), ("Recreate", "metadata"), ("Recreate", "template-gone"), ("OnReplenish", "spec")],
)
def test_stale_members_are_adopted_only_under_on_replenish(
    make_pool, make_claim, sandboxes, sabotage, claim_barrier, wait, strategy, change
):
    """Under Recreate a member that is stale or cannot be compared MUST NOT be adopted; any other one MUST."""
    pool = make_pool(replicas=2, updateStrategy={"type": strategy})
    members = [m.name for m in pool.members()]
    # The pool is kept from replacing them: they stay there to be taken.
    sabotage.rule("hold", verb="delete", plural="sandboxes")
    if change == "template-gone":
        pool.template.delete()
        wait.gone(pool.template)
    else:
        pool.template.patch({"spec": STALE if change == "spec" else FRESH})
    # Not until the rule has an effect: a controller that overlooks the change is to fail by what it adopts.
    wait.holds(sandboxes.named(members[0]), exists())

    mark = wait.journal.position()
    claim = make_claim(pool)
    if change == "template-gone":
        seen = wait.until(claim, is_bound() | is_not_ready("TemplateNotFound"), limit="claim_bind_warm")
        assert seen.sandbox_name == ""
        wait.never(SANDBOX, owned_by(claim.uid), since=mark, barrier=claim_barrier)
        return
    bound = wait.until(claim, is_bound(), limit="claim_bind_cold")

    adopted = wait.current(sandboxes.named(bound.sandbox_name))
    if (strategy, change) == ("Recreate", "spec"):
        assert bound.sandbox_name not in members
        assert adopted.pod_spec["containers"][0]["image"] == NEW
    else:
        assert bound.sandbox_name in members
        assert adopted.pod_spec["containers"][0]["image"] == OLD
