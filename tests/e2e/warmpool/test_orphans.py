"""Sandboxes with a pool's label that the pool does not own."""

from __future__ import annotations

import pytest

from fixtures.conformance import conformance
from fixtures.system.agent_sandbox.predicates import is_bound, is_ready, owned_by
from fixtures.system.agent_sandbox.views import POOL_HASH, TEMPLATE_REF_HASH, name_hash

POOL = "adopting-pool"


@conformance(
    id="AS-W11", profile="WARMPOOL", level="extended", strength="SHOULD", killers=["as/hide-foreign"]
)
@pytest.mark.parametrize("case", ["same", "other-spec", "other-template", "foreign"])
def test_pool_takes_in_orphans_of_its_blueprint(make_pool, make_claim, sandboxes, wait, case):
    """A pool SHOULD own an orphan of its blueprint, delete another one, and ignore what others own."""
    # Another pool's member shows what this template's blueprint is.
    model = make_pool(replicas=1)
    template = model.template
    pod_template = model.members()[0].spec["podTemplate"]
    if case == "other-spec":
        pod_template = pod_template | {"spec": pod_template["spec"] | {"hostname": "other"}}
    reference = "other" if case == "other-template" else template.name
    orphan = sandboxes.sandbox(
        "orphan",
        metadata={
            "labels": {POOL_HASH: name_hash(POOL), TEMPLATE_REF_HASH: name_hash(reference)},
            "ownerReferences": [template.as_owner()] if case == "foreign" else [],
        },
        podTemplate=pod_template,
    )
    # Sandboxes come over one watch: who has seen this claim's has seen the orphan.
    wait.until(make_claim(make_pool(replicas=0)), is_bound() & is_ready(), limit="claim_bind_cold")
    # Only now: a pool that is full already would take it in and give it up again.
    pool = make_pool(replicas=3, template=template, name=POOL, filled=False)

    if case == "same":
        wait.until(orphan, owned_by(pool.uid), limit="immediately")
        sandboxes.fill(pool, 3)
        assert orphan.uid in {m.uid for m in pool.members()}
        # It counts: the pool makes one fewer itself.
        assert len(pool.creations()) == 3
    else:
        sandboxes.fill(pool, 3)
        assert orphan.uid not in {m.uid for m in pool.members()}
        if case == "foreign":
            kept = wait.holds(orphan, owned_by(template.uid))
            assert not kept.deleting
        else:
            wait.gone(orphan)
