"""What a node's agent does with tasks: its own, those of others, and those that do not fit."""

from __future__ import annotations

from fixtures.conformance import conformance, provisional
from fixtures.journal import Ref
from fixtures.journal.predicates import Predicate
from fixtures.kube.client import refusal
from fixtures.kube.kinds import SNAPSHOT, SNAPSHOT_TASK
from fixtures.system.snapstart.views import Task

pytestmark = provisional(since="0.1.0", promote_by="2027-02-28")

FORK = ["SnapshotForkMode"]
HASH = "sha256:" + "a" * 64


def forged(snapstart, snapshot, **spec):
    """A task that nobody but the test has made, for a snapshot."""
    right = {
        "snapshotRef": {"name": snapshot.name},
        "snapshotUID": snapshot.uid,
        "snapshotMode": "Fork",
        "targetSandboxRef": {"name": "no-such-sandbox"},
        "targetNodeName": next(iter(snapstart.deployment.nodes)),
        "providerName": snapstart.deployment.plan.provider,
        "snapshotKey": "forged-key",
        "snapshotHash": HASH,
    }
    snapstart.excused.invariants |= {"SS-J3", "SS-J6", "SS-J7"}
    body = {"metadata": {"name": "forged"}, "spec": {**right, **spec}}
    made = snapstart.api.create(SNAPSHOT_TASK, body, snapstart.namespace)
    return Ref(SNAPSHOT_TASK, made.name, Task, made.uid, made.resource_version)


def says_nothing():
    """No agent has answered."""
    return Predicate("no status", lambda s: not s.status)


@conformance(id="SS-B11", profile="SNAPSTART", level="core", features=FORK, killers=["ss/M20"])
def test_tasks_of_other_nodes_are_left_alone(snapstart):
    """An agent MUST NOT touch the task of another node."""
    snapshot = snapstart.ready_snapshot()
    # Without its controller nobody deletes what it did not make.
    snapstart.deployment.controller.pause()
    # The task of another provider would be answered at once.
    task = forged(snapstart, snapshot, targetNodeName="elsewhere", providerName="other.ref")

    snapstart.wait.holds(task, says_nothing())


@conformance(
    id="SS-B11b", profile="SNAPSTART", level="extended", features=FORK, killers=["ss/task-unchecked"]
)
def test_tasks_for_another_provider_fail(snapstart):
    """A task for a provider that the node does not have MUST be Failed, with the reason."""
    snapshot = snapstart.ready_snapshot()
    snapstart.deployment.controller.pause()
    task = forged(snapstart, snapshot, providerName="other.ref")

    failed = snapstart.wait.until(
        task, Predicate("answered", lambda s: "phase" in s.status), limit="immediately"
    )

    assert failed.phase == "Failed"
    assert "provider" in failed.status["message"]


def writers(found):
    """Who has written the status of an object, by field manager."""
    fields = found.metadata.get("managedFields", ())
    return {field["manager"] for field in fields if field.get("subresource") == "status"}


@conformance(
    id="SS-B11c", profile="SNAPSTART", level="extended", features=FORK, killers=["ss/agent-writes-snapshot"]
)
def test_agents_write_the_status_of_tasks_only(snapstart):
    """Who writes the status of tasks MUST NOT write that of snapshots."""
    snapshot = snapstart.ready_snapshot()

    of_tasks = {writer for task in snapstart.all_tasks(snapshot) for writer in writers(task)}
    of_snapshots = {writer for state in snapstart.states(snapshot) for writer in writers(state)}

    assert of_tasks
    assert of_snapshots
    assert not of_tasks & of_snapshots


#: What could be written of tasks and snapshots.
WRITES = {
    "status of tasks": (SNAPSHOT_TASK, "status"),
    "tasks": (SNAPSHOT_TASK, None),
    "snapshots": (SNAPSHOT, None),
    "status of snapshots": (SNAPSHOT, "status"),
}


@conformance(
    id="SS-B11d", profile="SNAPSTART", level="extended", features=FORK, killers=["ss/agent-writes-snapshot"]
)
def test_agents_may_write_the_status_of_tasks_only(snapstart):
    """The account of an agent MUST be allowed to write the status of tasks, and nothing else of tasks and
    snapshots.
    """

    def allowed(account):
        with snapstart.acting_as(account) as api:
            # Whether somebody may do a thing is asked before whether there is anything to do it to.
            refused = {
                what: refusal(
                    lambda kind=kind, part=part: api.patch(
                        kind, "none", {}, snapstart.namespace, subresource=part
                    )
                )
                for what, (kind, part) in WRITES.items()
            }
        assert {error.status for error in refused.values()} <= {403, 404}
        return [what for what, error in refused.items() if error.status == 404]

    # Else nobody is ever forbidden anything here.
    assert allowed("stranger") == []
    assert allowed("agent") == ["status of tasks"]


@conformance(id="SS-B10", profile="SNAPSTART", level="extended", features=FORK, killers=["ss/M34"])
def test_a_task_of_a_deleted_namesake_counts_for_nothing(snapstart):
    """A task with the UID of a deleted snapshot of the same name MUST NOT change counts or records."""
    old = snapstart.ready_snapshot()
    snapstart.api.delete(SNAPSHOT, old.name, snapstart.namespace)
    snapstart.wait.gone(old)
    for name in snapstart.deployment.nodes:
        snapstart.deployment.nodes[name].pause()
    new = snapstart.snapshot()
    snapstart.has_tasks(new, 2)
    real = snapstart.tasks(new)[0]
    # It would make the task again before the stale one is there.
    snapstart.deployment.controller.pause()
    snapstart.api.delete(SNAPSHOT_TASK, real.name, snapstart.namespace)
    snapstart.excused.invariants |= {"SS-J3", "SS-J6", "SS-J7"}
    stale = {**real.spec, "snapshotUID": old.uid}
    kept = {name: real.metadata[name] for name in ("name", "labels", "ownerReferences")}
    body = {"metadata": kept, "spec": stale}
    snapstart.api.create(SNAPSHOT_TASK, body, snapstart.namespace)
    status = {"status": {"phase": "Ready", "observedAt": "2026-01-01T00:00:00Z"}}
    snapstart.api.patch(SNAPSHOT_TASK, real.name, status, snapstart.namespace, subresource="status")
    snapstart.deployment.controller.resume()

    snapstart.wait.holds(new, Predicate("not Ready", lambda s: s.status.get("phase") != "Ready"))
    assert snapstart.deployment.store.active_key(new.uid) is None


@conformance(
    id="SS-B12",
    profile="SNAPSTART",
    level="core",
    features=[*FORK, "SnapshotArtifactStoreReadable"],
    killers=["ss/M36"],
)
def test_no_key_without_a_record(snapstart):
    """A controller that is killed between a Ready task and its write MUST cost no session: until there is a
    record none has the key.
    """
    snapshot = snapstart.snapshot()
    snapstart.has_tasks(snapshot, 2)
    snapstart.deployment.controller.kill()
    snapstart.wait.all(
        "all tasks are Ready",
        lambda _: None if {t.phase for t in snapstart.tasks(snapshot)} == {"Ready"} else "not yet",
        limit="phase_change",
    )

    between = snapstart.session()
    snapstart.deployment.controller.start()
    snapstart.is_complete(snapshot)
    afterwards = snapstart.session()

    assert between.key is None
    snapstart.is_cold(between)
    snapstart.is_restored(afterwards, snapstart.active_key(snapshot))


@conformance(id="SS-B13", profile="SNAPSTART", level="core", features=FORK, killers=["ss/M35"])
def test_sessions_are_never_captured(snapstart):
    """The source of a build MUST be a Sandbox that the controller made for it, never a session's."""
    session = snapstart.session()
    snapshot = snapstart.snapshot()
    snapstart.has_tasks(snapshot, 2)

    assert session.name not in {task.sandbox for task in snapstart.all_tasks(snapshot)}
    snapstart.is_complete(snapshot)
