"""What is made to build a snapshot, and what is left of it."""

from __future__ import annotations

from fixtures.conformance import conformance, provisional
from fixtures.journal.history import EntryType
from fixtures.kube.kinds import SANDBOX, SNAPSHOT_TASK

pytestmark = provisional(since="0.1.0", promote_by="2027-02-28")

FORK = ["SnapshotForkMode"]


@conformance(id="SS-B1", profile="SNAPSTART", level="core", features=FORK, killers=["ss/M28"])
def test_each_target_node_has_one_sandbox_and_task(snapstart):
    """Each target node MUST get one build Sandbox that is bound to it, and one task that points to it; the
    phase MUST go from Pending to Creating.
    """
    snapshot = snapstart.snapshot()
    snapstart.has_tasks(snapshot, len(snapstart.deployment.nodes))

    tasks = snapstart.all_tasks(snapshot)
    made = {
        e.object.name: e.object
        for e in snapstart.wait.history().of(SANDBOX)
        if e.type is EntryType.ADDED and e.object.controller and e.object.controller.uid == snapshot.uid
    }

    assert sorted(task.node for task in tasks) == sorted(snapstart.deployment.nodes)
    assert {task.sandbox for task in tasks} == set(made)
    for task in tasks:
        bound = made[task.sandbox].spec["podTemplate"]["spec"].get("nodeName")
        assert bound == task.node, f"the Sandbox of {task.name} is bound to {bound}"
    snapstart.is_complete(snapshot)
    assert len(snapstart.all_tasks(snapshot)) == len(tasks)
    assert snapstart.phases(snapshot) == ["Pending", "Creating", "Ready"]


@conformance(id="SS-B8", profile="SNAPSTART", level="extended", features=FORK, killers=["ss/M33"])
def test_a_task_outlives_its_sandbox(snapstart):
    """A task MUST NOT be gone before the deletion of its Sandbox has begun; in the end both MUST be gone."""
    snapshot = snapstart.ready_snapshot()
    history = snapstart.wait.history()

    for task in snapstart.all_tasks(snapshot):
        (gone,) = [e.object.resource_version for e in history.of(SNAPSHOT_TASK, uid=task.uid) if e.deleted]
        deleting = [
            e.object.resource_version
            for e in history.of(SANDBOX, name=task.sandbox)
            if e.deleted or e.object.deleting
        ]
        assert deleting[0] < gone, f"{task.name} is gone before its Sandbox was deleted"


@conformance(
    id="SS-B9",
    profile="SNAPSTART",
    level="core",
    features=[*FORK, "RuntimeWitness"],
    killers=["ss/M4", "ss/M9", "ss/process-kept"],
)
def test_restores_need_no_build(snapstart):
    """Sessions MUST be restored after the build Sandbox, its Pod and its process are gone."""
    snapshot = snapstart.ready_snapshot()
    snapstart.settles("without build processes", lambda: _build_processes(snapstart), limit="object_gone")

    for session in snapstart.sessions(4):
        snapstart.is_restored(session, snapstart.active_key(snapshot))


def _build_processes(snapstart):
    """What of builds is left on the nodes: only templates may be, one process each."""
    if pods := snapstart.entries():
        return f"the nodes have {len(pods)} Pods"
    templates = {found["boot_id"] for found in snapstart.artifacts()}
    left = snapstart.deployment.processes()
    return None if len(left) <= len(templates) else f"{len(left)} processes for {len(templates)} artifacts"
