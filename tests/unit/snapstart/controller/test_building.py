"""From a SandboxSnapshot to its artifacts: builds, promotion, failures, retries, cleaning up (SS-B rows)."""

from __future__ import annotations

import pytest

from reference.objects import is_controlled_by, labels_of, name_of
from reference.snapstart import kinds
from reference.snapstart.kinds import Sandbox, SandboxSnapshotTask, SnapshotClass
from reference.snapstart.records import ArtifactPhase
from tests.unit.snapstart.controller.conftest import MakeWorld
from tests.unit.snapstart.controller.world import TTL, World


def test_first_pass(world: World) -> None:
    """SS-B1: each target MUST get one build Sandbox on it and one task that points to it."""
    world.reconcile()

    assert world.phase() == "Creating"
    assert world.counts() == (2, 2, 0, 0, 0)
    assert world.task_nodes == ["a", "b"]
    for task in world.tasks:
        sandbox = world.api.objects["Sandbox", task["spec"]["targetSandboxRef"]["name"]]
        pod = sandbox["spec"]["podTemplate"]["spec"]
        assert pod["nodeName"] == task["spec"]["targetNodeName"]
        assert pod["containers"][0]["env"] == [
            {"name": "A", "value": "1"},
            {"name": "SNAPSTART_MODE", "value": "build"},
        ]
        assert is_controlled_by(sandbox, world.uid())
        assert labels_of(sandbox)[kinds.SNAPSHOT_UID] == world.uid()
        assert task["spec"]["snapshotUID"] == world.uid()
        assert task["spec"]["snapshotHash"].startswith("sha256:")


def test_phases_in_order(world: World) -> None:
    """Pending MUST be written before the builds exist, Creating after, and the record before both."""
    world.reconcile()

    verbs = [(verb, what.partition("/")[0].partition(":")[0]) for verb, what in world.log.entries]
    assert verbs == [
        ("patch", "SandboxSnapshot"),  # the finalizer
        ("put", "snapshot"),
        ("patch", "SandboxSnapshot"),  # the live keys
        ("status", "SandboxSnapshot"),
        *[("create", "Sandbox"), ("create", "SandboxSnapshotTask")] * 2,
        ("status", "SandboxSnapshot"),
    ]


def test_first_ready_artifact(world: World) -> None:
    """SS-B2: one Ready artifact MUST make the snapshot Ready while the other node still builds."""
    world.reconcile()
    world.answer("b")
    world.reconcile()

    assert world.phase() == "Ready"
    assert world.counts() == (2, 1, 1, 0, 0)
    assert world.status()["readyAt"] == "2026-01-01T00:00:00Z"
    assert world.events() == ["Creating", "Ready"]
    assert world.session().key == world.active_key
    assert world.manifest().pending is None


def test_all_artifacts_ready(world: World) -> None:
    """A second artifact MUST join the active set without another Ready event."""
    world.settle()

    assert world.counts() == (2, 0, 2, 0, 0)
    assert world.events() == ["Creating", "Ready"]
    assert world.metric("agentcube_snapshot_build_task_total", phase="Ready") == 2
    assert world.metric("agentcube_sandbox_snapshot_ready_node_count", namespace="ns", snapshot="snap") == 2


def test_settled_snapshot(world: World) -> None:
    """SS-I3: passes over what is settled MUST write nothing, whatever changes outside the Pod spec."""
    world.settle()
    world.after(TTL.total_seconds())
    world.log.entries.clear()
    world.api.edit(
        kinds.SandboxTemplate,
        "python",
        {"metadata": {"labels": {"x": "y"}}, "spec": {"podTemplate": {"metadata": {"labels": {"x": "y"}}}}},
    )

    for _ in range(20):
        world.clock.advance(10)
        assert world.reconcile() is None
    assert world.log.entries == []


def test_partial_failure(world: World) -> None:
    """SS-B3: with one node failed the snapshot MUST be Ready, counted right, and said to be degraded."""
    world.reconcile()
    world.settle(fail=["a"])

    assert world.phase() == "Ready"
    assert world.counts() == (2, 0, 1, 1, 0)
    assert world.status()["message"] == "a: no safe point"
    assert world.events()[-1] == "Degraded"
    assert world.session().key is not None


def test_all_failed(world: World) -> None:
    """SS-B4: with all nodes failed the snapshot MUST be Failed, with the reason; sessions start cold."""
    world.settle(fail=["a", "b"])

    assert world.phase() == "Failed"
    assert world.counts() == (2, 0, 0, 2, 0)
    assert "no safe point" in world.status()["message"]
    assert world.events() == ["Creating", "Failed"]
    assert world.session().key is None


def test_retries(world: World) -> None:
    """SS-B7: a failed build MUST be tried again after 1, 2 and 4 seconds, and then no more."""
    world.settle(fail=["a", "b"])
    tries = []
    for _ in range(6):
        again = world.reconcile()
        waits = [
            a.retry.next_retry_at - world.clock()
            for a in world.manifest().pending.artifacts  # type: ignore[union-attr]
            if a.retry is not None and a.retry.next_retry_at is not None
        ]
        if not waits:
            break
        assert again is not None
        tries.append(max(waits).total_seconds())
        world.after(max(waits).total_seconds(), fail=["a", "b"])
        assert world.phase() == "Failed"

    assert tries == [1, 2, 4]
    world.after(1000)
    assert world.phase() == "Failed"
    assert world.tasks == []


def test_success_after_failure(world: World) -> None:
    """SS-B7: a later try MUST be able to make the snapshot Ready, under names not used before."""
    world.settle(fail=["a", "b"])
    before = {name_of(task) for task in world.tasks}
    world.after(1)

    assert world.phase() == "Ready"
    assert world.counts() == (2, 0, 2, 0, 0)
    assert not before & {name_of(t) for t in world.tasks if t["status"]["phase"] == "Ready"}


@pytest.mark.parametrize(
    ("ready", "reason"),
    [(False, "the build Sandbox was not Ready"), (True, "no agent answered")],
)
def test_task_timeout(world: World, ready: bool, reason: str) -> None:
    """SS-B7: a build that is not done after 30 s MUST count as failed, saying what was missing."""
    world.reconcile()
    if ready:
        for sandbox in world.sandboxes:
            conditions = [{"type": "Ready", "status": "True"}]
            world.api.edit(Sandbox, name_of(sandbox), {"status": {"conditions": conditions}})
    world.clock.advance(29)
    assert world.reconcile() == 1
    assert world.phase() == "Creating"
    world.clock.advance(1)
    world.reconcile()

    assert world.phase() == "Failed"
    assert reason in world.status()["message"]
    assert world.sandboxes == []


def test_clean_up(world: World) -> None:
    """SS-B8: a task MUST stay until its Sandbox is being deleted, and for its time to live."""
    world.reconcile()
    for sandbox in world.sandboxes:
        world.api.edit(Sandbox, name_of(sandbox), {"metadata": {"finalizers": ["slow"]}})
    world.log.entries.clear()
    world.settle()

    assert all(s["metadata"].get("deletionTimestamp") for s in world.sandboxes)
    assert len(world.tasks) == 2
    world.after(TTL.total_seconds())
    assert world.tasks == []
    verbs = [f"{verb} {what.partition('/')[0]}" for verb, what in world.log.entries if verb == "delete"]
    assert verbs == ["delete Sandbox"] * 2 + ["delete SandboxSnapshotTask"] * 2


def test_artifacts_outlive_their_builds(world: World) -> None:
    """SS-B9: the snapshot MUST stay usable once its build Sandboxes and tasks are gone."""
    world.settle()
    world.after(TTL.total_seconds())

    assert (world.sandboxes, world.tasks) == ([], [])
    assert world.phase() == "Ready"
    assert world.session().key == world.active_key


def test_task_of_a_namesake(world: World) -> None:
    """SS-B10: a task with the UID of a snapshot of the same name that is gone MUST change nothing."""
    world.reconcile()
    (first, _) = world.tasks
    spec = {**first["spec"], "snapshotUID": "of-another"}
    world.api.objects["SandboxSnapshotTask", name_of(first)]["spec"] = spec
    world.finish(first, "Ready", "")
    world.reconcile()

    assert world.phase() == "Creating"
    assert world.manifest().pending.in_phase(ArtifactPhase.READY) == []  # type: ignore[union-attr]


def test_task_of_another_node(world: World) -> None:
    """SS-B11: a task that says Ready for another node, key or hash MUST change nothing."""
    for field in ("targetNodeName", "snapshotKey", "snapshotHash", "providerName"):
        world.reconcile()
        (first, _) = world.tasks
        world.api.objects["SandboxSnapshotTask", name_of(first)]["spec"] = {**first["spec"], field: "other"}
        world.finish(first, "Ready", "")
        world.reconcile()
        assert world.phase() == "Creating", field
        world.api.objects["SandboxSnapshotTask", name_of(first)]["spec"] = first["spec"]
        del world.api.objects["SandboxSnapshotTask", name_of(first)]["status"]


def test_no_target(make_world: MakeWorld) -> None:
    """SS-B5: without a target the snapshot MUST be Failed, and recover when a node comes."""
    world = make_world(nodes=())
    world.create_snapshot()
    world.reconcile()

    assert world.phase() == "Failed"
    assert world.counts() == (0, 0, 0, 0, 0)
    assert "no node" in world.status()["message"]
    assert world.events() == ["Failed"]
    assert world.session().key is None
    world.add_node("late")
    world.settle()
    assert world.phase() == "Ready"


def test_later_node(world: World) -> None:
    """SS-B6: a node that becomes a target later MUST get its artifact under the active key."""
    world.settle()
    key = world.active_key
    world.add_node("late")
    world.settle()

    assert world.counts() == (3, 0, 3, 0, 0)
    assert world.active_key == key
    assert world.held("late").keys() == {f"ns/{key}"}


def test_node_that_vanishes_in_mid_build(world: World) -> None:
    """A node that goes while it builds MUST be forgotten with its Sandbox and task."""
    world.reconcile()
    del world.api.objects["Node", "a"]
    world.settle()

    assert world.phase() == "Ready"
    assert world.counts() == (1, 0, 1, 0, 0)
    assert world.sandboxes == []


def test_sandbox_that_is_refused(world: World) -> None:
    """A Sandbox that the API server will never accept MUST fail its build, with the server's words."""
    refused = world.api.refused

    class Refusing(dict[tuple[str, str], int]):
        def __contains__(self, key: object) -> bool:
            return isinstance(key, tuple) and key[0] == "Sandbox"

        def __getitem__(self, key: tuple[str, str]) -> int:
            return 422

    world.api.refused = Refusing(refused)
    world.reconcile()

    assert world.phase() == "Failed"
    assert "not created" in world.status()["message"]
    assert world.counts() == (2, 0, 0, 2, 0)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"snapshotClassName": "none"}, "SnapshotClass none not found"),
        ({"snapshotMode": "Resume"}, "SnapshotClass fast supports Fork, not Resume"),
        (
            {"sourceRef": {"apiGroup": "agents.x-k8s.io", "kind": "Sandbox", "name": "python"}},
            "takes a source of kind SandboxTemplate",
        ),
        (
            {"sourceRef": {"apiGroup": "extensions.agents.x-k8s.io", "kind": "SandboxTemplate", "name": "x"}},
            "SandboxTemplate x not found",
        ),
    ],
)
def test_what_cannot_be_built(make_world: MakeWorld, spec: dict[str, object], message: str) -> None:
    """SS-A3: what cannot be built MUST become Failed with the reason, and nothing else."""
    world = make_world()
    world.create_snapshot(**spec)
    world.settle()

    assert world.phase() == "Failed"
    assert message in world.status()["message"]
    assert (world.sandboxes, world.tasks) == ([], [])


def test_class_that_comes_later(make_world: MakeWorld) -> None:
    """A snapshot MUST be built once its class is there."""
    world = make_world()
    world.create_snapshot(snapshotClassName="late")
    world.settle()
    assert world.phase() == "Failed"
    spec = {"providerName": "zygote.ref", "supportedSnapshotModes": ["Fork"]}
    world.create(SnapshotClass, {"metadata": {"name": "late"}, "spec": spec})
    world.settle()

    assert world.phase() == "Ready"


def test_lost_build_objects(world: World) -> None:
    """A Sandbox or task that somebody deletes in mid-build MUST be made again."""
    world.reconcile()
    world.api.remove(Sandbox, name_of(world.sandboxes[0]))
    world.api.remove(SandboxSnapshotTask, name_of(world.tasks[1]))
    world.reconcile()

    assert len(world.sandboxes) == len(world.tasks) == 2
