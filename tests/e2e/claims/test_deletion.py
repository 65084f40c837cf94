"""What goes when a claim goes."""

from __future__ import annotations

from fixtures.conformance import conformance
from fixtures.journal import Ref
from fixtures.kube.kinds import PERSISTENT_VOLUME_CLAIM, SANDBOX, SERVICE
from fixtures.kube.snapshot import Snapshot
from fixtures.system.agent_sandbox.predicates import is_bound, is_ready


@conformance(
    id="AS-L01",
    profile="CLAIMS",
    level="core",
    needs=["gc", "pod-status-control"],
    killers=["as/adopt-edit-owner"],
)
def test_deleted_claim_takes_everything_with_it(
    make_template, make_pool, make_claim, sandboxes, static_volumes, wait
):
    """Deleting a claim MUST delete its sandbox, Pod, Service and volume claims, and return none of them."""
    volumes = static_volumes(2)
    template = make_template(service=True, volumeClaimTemplates=[volumes.claim_template("data")])
    pool = make_pool(replicas=1, template=template)
    claim = make_claim(pool)
    name = wait.until(claim, is_bound() & is_ready(), limit="claim_bind_warm").sandbox_name
    service = Ref(SERVICE, name, Snapshot)
    disk = Ref(PERSISTENT_VOLUME_CLAIM, f"data-{name}", Snapshot)
    for present in (service, disk):
        wait.current(present)

    claim.delete()

    for gone in (claim, sandboxes.named(name), sandboxes.pod(name), service, disk):
        wait.gone(gone)
    owners = [e.object.controller for e in wait.history().of(SANDBOX, name=name)]
    kinds = [owner.kind for owner in owners if owner]
    assert kinds == sorted(kinds, key=["SandboxWarmPool", "SandboxClaim"].index)
    assert name not in {m.name for m in pool.members()}
