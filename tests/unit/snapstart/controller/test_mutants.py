"""Each wrong controller does its wrong act where it should, is counted, and the right one differs."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from reference.api import ConfigMap, Event
from reference.objects import name_of
from reference.snapstart import kinds
from reference.snapstart.controller.controller import EXPECTED
from reference.snapstart.controller.mutants import FIRED, MUTANTS, mutated
from reference.snapstart.controller.parts import Parts
from reference.snapstart.kinds import (
    EXTENSIONS_GROUP,
    SESSION_ID,
    SNAPSHOT_KEY,
    Node,
    Sandbox,
    SandboxSnapshot,
    SandboxWarmPool,
)
from reference.snapstart.store.store import StoreError
from tests.unit.snapstart.controller.conftest import MakeWorld
from tests.unit.snapstart.controller.world import World

Seen = Callable[[World], object]


def settled(world: World, **spec: Any) -> None:
    """A snapshot, settled."""
    world.create_snapshot(**spec)
    world.settle()


def records(world: World) -> object:
    """A changed list order, then another field, with the keys and phase in between."""
    world.edit_template(tolerations=[{"key": "a", "operator": "Exists"}, {"key": "b", "operator": "Exists"}])
    settled(world)
    keys = [world.active_key]
    for edit in (
        {"tolerations": [{"key": "b", "operator": "Exists"}, {"key": "a", "operator": "Exists"}]},
        {"serviceAccountName": "robot"},
        {"runtimeClassName": None},
    ):
        world.edit_template(**edit)
        world.settle()
        keys.append(world.active_key)
    return [one == other for one, other in zip(keys, keys[1:], strict=False)]


def keys_of(world: World) -> object:
    """The keys of two snapshots of one name, one after the other."""
    settled(world)
    key = world.active_key
    world.api.remove(SandboxSnapshot, "snap")
    world.reconcile()
    settled(world)
    return key == world.active_key


def recreated_template(world: World) -> object:
    """Whether a template made anew is seen."""
    settled(world)
    key = world.active_key
    world.api.remove(kinds.SandboxTemplate, "python")
    world.create_template()
    world.settle()
    return key == world.active_key


def config_data(world: World) -> object:
    """Whether the data of a ConfigMap that the template names matter."""
    world.create(ConfigMap, {"metadata": {"name": "config"}, "data": {"a": "1"}})
    world.edit_template(volumes=[{"name": "etc", "configMap": {"name": "config"}}])
    settled(world)
    key = world.manifest().active
    world.api.edit(ConfigMap, "config", {"data": {"a": "2"}})
    world.settle()
    after = world.manifest().active
    assert key is not None and after is not None
    return key.snapshot_key == after.snapshot_key


def bad_nodes(world: World) -> object:
    """Where builds go with a tainted node and one that is not Ready."""
    world.set_ready("a", False)
    world.add_node("tainted", spec={"taints": [{"key": "k", "effect": "NoSchedule"}]})
    world.create_snapshot()
    world.reconcile()
    return world.task_nodes


def lost_node(world: World) -> object:
    """Counts with a node lost."""
    settled(world)
    world.set_ready("a", False)
    world.settle()
    return world.counts()


def removed_node(world: World) -> object:
    """How many artifacts are in the record with a node removed."""
    settled(world)
    world.api.remove(Node, "a")
    world.settle()
    active = world.manifest().active
    return active is not None and len(active.artifacts)


def half_ready(world: World) -> object:
    """The phase with one artifact of two Ready."""
    world.create_snapshot()
    world.reconcile()
    world.answer("a")
    world.reconcile()
    return world.phase()


def changed_source(world: World) -> object:
    """The phase and whether there is an active set right after a change."""
    settled(world)
    world.use_image("python:3.12")
    world.reconcile()
    return world.phase(), world.manifest().active is None


def rebuild(world: World) -> object:
    """Whether there is an active set while a rebuild is under way, and how often one has begun."""
    world.create_snapshot(forkPolicy={"rebuildAfter": "1m"})
    world.settle()
    world.clock.advance(60)
    world.reconcile()
    active = world.manifest().active is not None
    for _ in range(5):
        world.answer()
        world.clock.advance(1)
        world.reconcile()
    return active, world.manifest().sequence


def failures(world: World) -> object:
    """The phase with all builds failed, and the number of tries in a minute."""
    world.create_snapshot()
    world.settle(fail=["a", "b"])
    phase = world.phase()
    for _ in range(12):
        world.after(5, fail=["a", "b"])
    return phase, world.metric("agentcube_snapshot_build_task_total", phase="Failed")


def no_nodes(world: World) -> object:
    """The phase without a node."""
    for node in ("a", "b"):
        world.api.remove(Node, node)
    world.create_snapshot()
    world.settle()
    return world.phase()


def partial(world: World) -> object:
    """Counts with one node failed."""
    world.create_snapshot()
    world.settle(fail=["a"])
    return world.counts()


def namesake(world: World) -> object:
    """The phase after a task for another UID is Ready."""
    world.create_snapshot()
    world.reconcile()
    task = world.tasks[0]
    changed = {**task["spec"], "snapshotUID": "other"}
    world.api.objects["SandboxSnapshotTask", name_of(task)]["spec"] = changed
    world.finish(task, "Ready", "")
    world.reconcile()
    return world.phase()


def lost_artifact(world: World) -> object:
    """The phase after all artifacts were lost."""
    settled(world)
    for node in ("a", "b"):
        world.lose(node)
    world.clock.advance(2)
    world.reconcile()
    return world.phase()


def build_pods(world: World) -> object:
    """The nodes that build Sandboxes name."""
    world.create_snapshot()
    world.reconcile()
    return [s["spec"]["podTemplate"]["spec"].get("nodeName") for s in world.sandboxes]


def sources(world: World) -> object:
    """Whether the sources of tasks are Sandboxes of their builds, beside a session."""
    labels = {SESSION_ID: "1"}
    spec = {"podTemplate": {"spec": {"containers": [{"image": "python"}]}}}
    world.create(Sandbox, {"metadata": {"name": "session", "labels": labels}, "spec": spec})
    world.create_snapshot()
    world.reconcile()
    return [t["spec"]["targetSandboxRef"]["name"] == name_of(t) for t in world.tasks]


def wrong_kind(world: World) -> object:
    """The phase of a snapshot of the wrong kind of source."""
    source = {"apiGroup": EXTENSIONS_GROUP, "kind": "SandboxWarmPool", "name": "python"}
    settled(world, sourceRef=source)
    return world.phase()


def failed_session(world: World) -> object:
    """The phase after the Pod of a restored session has failed."""
    settled(world)
    pod = {"metadata": {"annotations": {SNAPSHOT_KEY: world.active_key}}}
    finished = {"type": "Finished", "status": "True", "reason": "PodFailed"}
    world.create(
        Sandbox,
        {
            "metadata": {"name": "session", "labels": {SESSION_ID: "1"}},
            "spec": {"podTemplate": pod},
            "status": {"conditions": [finished]},
        },
    )
    world.reconcile()
    return world.phase()


def full_store(world: World) -> object:
    """The phase with artifacts that no record can name."""
    world.create_snapshot()
    world.reconcile()
    world.answer()
    world.store.full = True
    with suppress(StoreError):
        world.reconcile()
    return world.phase()


def dead_node(world: World) -> object:
    """Whether a snapshot with an artifact on a dead node can be deleted, and its record with it."""
    settled(world)
    world.set_ready("a", False)
    world.api.remove(SandboxSnapshot, "snap")
    world.reconcile()
    return ("SandboxSnapshot", "snap") in world.api.objects, list(world.store.records)


def cleaning(world: World) -> object:
    """The order of deletions."""
    settled(world)
    return [what.partition("/")[0] for verb, what in world.log.entries if verb == "delete"][:2]


def pooled(world: World) -> object:
    """Whether the template of a pool gets the key."""
    pool = {"sandboxTemplateRef": {"name": "python"}}
    world.create(SandboxWarmPool, {"metadata": {"name": "pool"}, "spec": pool})
    settled(world)
    metadata = world.template["spec"]["podTemplate"]["metadata"]
    return metadata.get("annotations", {})


STORIES: dict[str, Seen] = {
    "any-node": bad_nodes,
    "any-uid": namesake,
    "build-anywhere": build_pods,
    "counts-lose-nodes": partial,
    "hash-config-data": config_data,
    "hash-few-fields": records,
    "hash-snapshot-uid": recreated_template,
    "hash-sorts-lists": records,
    "key-in-template": pooled,
    "loss-ignored": lost_artifact,
    "mode-mismatch": wrong_kind,
    "never-failed": failures,
    "gone-node-kept": removed_node,
    "nil-is-false": changed_source,
    "no-retry": failures,
    "node-loss-ignored": lost_node,
    "old-key-serves": changed_source,
    "pending-without-nodes": no_nodes,
    "promote-when-all": half_ready,
    "rebuild-clears": rebuild,
    "rebuild-loop": rebuild,
    "record-last": dead_node,
    "restore-failure-in-status": failed_session,
    "session-as-source": sources,
    "task-first": cleaning,
    "unrecorded": full_store,
    "wait-for-dead-nodes": dead_node,
}
#: Those whose story is in the self-tests of what they change.
ELSEWHERE = {"edits-kept", "plain-key", "template-with-pool"}


def test_stories() -> None:
    """Each mutant MUST have a story."""
    assert STORIES.keys() | ELSEWHERE == MUTANTS.keys()


def told(world: World, story: Seen) -> object:
    """What a story shows; a pass may be refused what it is not prepared for."""
    with suppress(*EXPECTED):
        return story(world)
    return "refused"


@pytest.mark.parametrize("mutant", sorted(STORIES))
def test_mutant(make_world: MakeWorld, mutant: str) -> None:
    """A mutant MUST show where the right controller shows something else, and be counted."""
    story = STORIES[mutant]
    right = told(make_world(Parts()), story)
    before = FIRED.labels(mutant)._value.get()
    wrong = told(make_world(mutated([mutant])), story)

    assert wrong != right
    assert FIRED.labels(mutant)._value.get() > before


def test_plain_keys(make_world: MakeWorld) -> None:
    """plain-key MUST give the same key to the same generation and sequence."""
    assert keys_of(make_world(mutated(["plain-key"]))) is True
    assert keys_of(make_world(Parts())) is False


def test_unknown_mutant() -> None:
    """A mutant that does not exist MUST be a KeyError."""
    with pytest.raises(KeyError):
        mutated(["none"])


def test_events_of_the_right_controller(make_world: MakeWorld) -> None:
    """The right controller MUST NOT warn of anything in a story without trouble."""
    world = make_world()
    settled(world)
    assert {event["type"] for event in world.api.all(Event)} == {"Normal"}
