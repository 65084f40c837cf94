"""A session that got a key and cannot be restored: cold, or failed, as the policy says; never hanging."""

from __future__ import annotations

from fixtures.conformance import conformance, provisional
from fixtures.kube.kinds import NODE

pytestmark = provisional(since="0.1.0", promote_by="2027-02-28")

FORK = ["SnapshotForkMode", "RuntimeWitness"]
COLD = [*FORK, "RestoreFailurePolicyCold"]


@conformance(id="SS-S6", profile="SNAPSTART", level="core", features=COLD, killers=["ss/M15", "ss/M40"])
def test_a_session_on_a_node_without_the_artifact(start_snapstart):
    """The scheduler MUST place the session; where the key leads nowhere it MUST start cold, in time."""
    snapstart = start_snapstart(options={"node-0": ["--label", "zone=a"]})
    holder, other = snapstart.deployment.nodes
    snapstart.snapshot_class(selector={**snapstart.deployment.selector, "zone": "a"})
    snapstart.template()
    snapshot = snapstart.ready_snapshot()
    key = snapstart.active_key(snapshot)
    snapstart.api.patch(NODE, holder, {"spec": {"unschedulable": True}})
    # Sessions know the record as it was: the holder is still the one that has the artifact.
    session = snapstart.session()

    assert session.node == other
    assert session.key in (key, None)
    snapstart.is_cold(session)


@conformance(id="SS-S7", profile="SNAPSTART", level="core", features=COLD, killers=["ss/M41"])
def test_a_failed_restore_starts_cold(snapstart):
    """A restore that fails after the intent MUST end in a cold start, and leave the snapshot as it was."""
    snapshot = snapstart.ready_snapshot()
    key = snapstart.active_key(snapshot)
    # Nobody notices in the meantime that the artifacts are gone.
    snapstart.deployment.controller.pause()
    for pages in snapstart.deployment.pages.values():
        pages.take_away(snapstart.namespace, key)
    since = snapstart.journal.position()

    session = snapstart.session()

    assert session.key == key
    snapstart.is_cold(session)
    snapstart.wait.history()
    assert snapstart.phases(snapshot, since) in ([], ["Ready"])


@conformance(
    id="SS-S7b",
    profile="SNAPSTART",
    level="extended",
    features=[*FORK, "RestoreFailurePolicyFail"],
    killers=["ss/M15"],
)
def test_a_failed_restore_fails_where_the_policy_says_so(start_snapstart):
    """With policy fail a session that cannot be restored MUST fail with the reason, and MUST NOT hang."""
    snapstart = start_snapstart(options={"node": ["--restore-policy", "fail"]})
    snapstart.snapshot_class()
    snapstart.template()
    snapshot = snapstart.ready_snapshot()
    key = snapstart.active_key(snapshot)
    snapstart.deployment.controller.pause()
    for pages in snapstart.deployment.pages.values():
        pages.take_away(snapstart.namespace, key)

    refused = snapstart.attempt()

    assert refused.status == 502, refused
    assert "Failed" in refused.answer["error"]
    assert refused.ended - refused.began < snapstart.wait.limits.seconds("claim_bind_cold")
