"""Each wrong front does its wrong act where it should, is counted, and the right one differs."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from reference.snapstart.front.mutants import FIRED, MUTANTS, mutated
from reference.snapstart.front.parts import Parts
from reference.snapstart.front.sessions import Refused
from reference.snapstart.kinds import SNAPSHOT_KEY, Pod, SandboxSnapshot, SandboxTemplate
from reference.snapstart.records import ArtifactPhase
from tests.unit.snapstart.front.conftest import MakeWorld
from tests.unit.snapstart.front.world import STARTING, World

Story = Callable[[World], object]


def keys(world: World) -> object:
    """The key of a session's Pod when it is made, and whether there is one for a user's own."""
    world.session(annotations={SNAPSHOT_KEY: "forged"})
    return world.annotations().get(SNAPSHOT_KEY)


def changed_template(world: World) -> object:
    """Whether a session of a changed template is restored."""
    world.api.edit(SandboxTemplate, "python", {"spec": {"podTemplate": {"spec": {"hostNetwork": True}}}})
    return world.session()[1].key


def recreated_template(world: World) -> object:
    """Whether a session of a template made anew is restored."""
    spec = world.template["spec"]
    world.api.remove(SandboxTemplate, "python")
    world.create(SandboxTemplate, {"metadata": {"name": "python"}, "spec": spec})
    return world.session()[1].key


def nothing_ready(world: World) -> object:
    """Whether a session is restored from a set that is being built."""
    world.api.edit(SandboxSnapshot, "snap", {"status": {"phase": "Creating"}})
    world.write(world.snapshot, None, world.active_set(phase=ArtifactPhase.CREATING))
    return world.session()[1].key


def store_down(world: World) -> object:
    """What becomes of a session while the store is down."""
    world.store.down = True
    try:
        return world.session()[1].key
    except Refused as err:
        return err.status


def pool_hit(world: World) -> object:
    """What is made for a session with a free slot."""
    world.add_pool(1)
    world.session()
    return world.started


def empty_pool(world: World) -> object:
    """What becomes of a session with an empty pool."""
    world.add_pool(0)
    try:
        world.session()
    except Refused as err:
        return err.status
    return world.started


def placement(world: World) -> object:
    """The node that a restored session asks for."""
    world.session()
    return world.api.objects["Sandbox", "s"]["spec"]["podTemplate"]["spec"].get("nodeName")


def answers(world: World) -> object:
    """The keys of an answer."""
    session, intent = world.session()
    return sorted(world.front.shown(session, intent))


def counts(world: World) -> object:
    """How a cold session is counted."""
    world.api.remove(SandboxSnapshot, "snap")
    _, intent = world.session()
    return world.front.counted(intent).key is not None


STORIES: dict[str, Story] = {
    "always-restored": counts,
    "empty-pool-fails": empty_pool,
    "key-without-record": nothing_ready,
    "path-shown": answers,
    "pool-hit-restores": pool_hit,
    "record-not-validated": recreated_template,
    "restore-first": pool_hit,
    "session-pinned": placement,
    "store-error-fails": store_down,
    "user-key": keys,
}
#: Fronts that go with controllers whose hash or use of it is wrong.
ANY_HASH = {
    "hash-config-data",
    "hash-few-fields",
    "hash-snapshot-uid",
    "hash-sorts-lists",
    "nil-is-false",
    "old-key-serves",
}


def fired(mutant: str) -> float:
    """How often a mutant has acted."""
    count: float = FIRED.labels(mutant)._value.get()
    return count


def test_stories() -> None:
    """Each mutant MUST have a story."""
    assert STORIES.keys() | ANY_HASH | {"key-patched", "slow-lookup"} == MUTANTS.keys()


@pytest.mark.parametrize("mutant", sorted(STORIES))
def test_mutant(make_world: MakeWorld, mutant: str) -> None:
    """A mutant MUST show where the right front shows something else, and be counted."""
    story = STORIES[mutant]
    right = story(make_world(Parts()))
    before = fired(mutant)
    wrong = story(make_world(mutated([mutant])))

    assert wrong != right
    assert fired(mutant) > before


@pytest.mark.parametrize("mutant", sorted(ANY_HASH))
def test_any_hash(make_world: MakeWorld, mutant: str) -> None:
    """Fronts of controllers with a wrong hash MUST NOT notice that it is wrong."""
    assert changed_template(make_world(Parts())) is None
    assert changed_template(make_world(mutated([mutant]))) is not None


def test_patched_key(make_world: MakeWorld) -> None:
    """key-patched MUST create the Sandbox without the key, and give it to the Pod afterwards."""
    world = make_world(mutated(["key-patched"]), limit=0.2)
    world.create(Pod, {"metadata": {"name": "s"}, "spec": {}})
    world.api.fates = [STARTING]
    with pytest.raises(Refused):
        world.session()
    pod = world.api.objects["Pod", "s"]
    assert SNAPSHOT_KEY in pod["metadata"]["annotations"]
    assert fired("key-patched") > 0
    world.session()
    assert SNAPSHOT_KEY not in world.annotations()


def test_slow_lookup(make_world: MakeWorld) -> None:
    """slow-lookup MUST hold up sessions, and change nothing else."""
    world = make_world(mutated(["slow-lookup"]))
    before = fired("slow-lookup")
    assert world.session()[1].key is not None
    assert fired("slow-lookup") == before + 1
