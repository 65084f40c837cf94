"""Sessions: which path each takes, what its Pod carries, and what its user is told (SS-S, SS-W, SS-A6)."""

from __future__ import annotations

import asyncio

import pytest

from reference.snapstart.front.server import wish_of
from reference.snapstart.front.sessions import Refused, Wish
from reference.snapstart.kinds import (
    SESSION_ID,
    SNAPSHOT_KEY,
    Sandbox,
    SandboxClaim,
    SandboxSnapshot,
    SandboxTemplate,
    SandboxWarmPool,
)
from reference.snapstart.records import ArtifactPhase
from tests.unit.fakeapi import NAMESPACE
from tests.unit.snapstart.front.conftest import MakeWorld
from tests.unit.snapstart.front.world import KEY, POD_FAILED, STARTING, World


def test_restored_session(world: World) -> None:
    """SS-S1: the Sandbox MUST be created with the active key for its Pod, and be the only thing created."""
    session, intent = world.session()

    assert intent.key == KEY
    assert world.annotations() == {SNAPSHOT_KEY: KEY, SESSION_ID: session.id}
    assert world.started == ["Sandbox/s"]
    pod = world.api.objects["Sandbox", "s"]["spec"]["podTemplate"]
    assert "nodeName" not in pod["spec"], "SS-S6"
    assert pod["metadata"]["labels"] == {"app": "python"}
    assert (session.address, session.port) == ("127.60.0.7", 9000)


def test_cold_session(world: World) -> None:
    """SS-S2: without a snapshot the session MUST start cold: no key, not even one in the template."""
    world.api.remove(SandboxSnapshot, "snap")
    session, intent = world.session()

    assert intent.key is None
    assert world.annotations() == {SESSION_ID: session.id}


@pytest.mark.parametrize("phase", ["Pending", "Creating", "Failed", None])
def test_snapshot_that_is_not_ready(world: World, phase: str | None) -> None:
    """SS-S2: a snapshot that is not Ready MUST NOT be used, whatever its record says."""
    world.api.edit(SandboxSnapshot, "snap", {"status": {"phase": phase}})
    assert world.session()[1].key is None


@pytest.mark.parametrize("phase", [ArtifactPhase.CREATING, ArtifactPhase.FAILED, ArtifactPhase.UNAVAILABLE])
def test_set_without_a_ready_artifact(world: World, phase: ArtifactPhase) -> None:
    """SS-S2: an active set with no Ready artifact MUST NOT be used."""
    world.write(world.snapshot, world.active_set(phase=phase))
    assert world.session()[1].key is None


def test_pending_set(world: World) -> None:
    """SS-S2: a set that is not active yet MUST NOT be used."""
    world.write(world.snapshot, None, world.active_set())
    _, intent = world.session()
    assert intent.key is None
    assert "no set is active" in intent.why


def test_user_asks_for_a_key(world: World) -> None:
    """SS-A6: a key in the request MUST NOT be used, on any path."""
    annotations = {SNAPSHOT_KEY: "forged", "mine": "kept"}
    session, _ = world.session(annotations=annotations)
    assert world.annotations() == {SNAPSHOT_KEY: KEY, "mine": "kept", SESSION_ID: session.id}

    world.api.remove(SandboxSnapshot, "snap")
    session, _ = world.session("cold", annotations=annotations)
    assert world.annotations("cold") == {"mine": "kept", SESSION_ID: session.id}

    world.add_pool(1)
    session, _ = world.session("claim", annotations=annotations)
    assert world.annotations("claim") == {"mine": "kept", SESSION_ID: session.id}


def test_free_slot(world: World) -> None:
    """SS-W1, SS-W2: a free slot MUST be taken first, through a claim, without a key or a second start."""
    world.add_pool(1)
    session, intent = world.session()

    assert world.started == ["SandboxClaim/s"]
    assert SNAPSHOT_KEY not in world.annotations()
    assert intent.key is None
    assert (session.name, session.address, session.port) == ("pool-x1", "127.60.0.9", 9000)


def test_empty_pool(world: World) -> None:
    """SS-W4: with the pool empty the session MUST be restored, or start cold."""
    world.add_pool(0)
    assert world.session()[1].key == KEY
    world.api.remove(SandboxSnapshot, "snap")
    assert world.session("cold")[1].key is None
    assert world.started == ["Sandbox/cold", "Sandbox/s"]


def test_more_requests_than_slots(world: World) -> None:
    """SS-W1: requests at the same time MUST NOT be promised the same slot."""
    world.add_pool(2)

    async def burst() -> None:
        wishes = [Wish(NAMESPACE, "python", f"s{i}") for i in range(5)]
        await asyncio.gather(*(world.sessions.create(wish) for wish in wishes))

    world.run(burst())
    assert [s.partition("/")[0] for s in world.started].count("SandboxClaim") == 2


def test_pool_of_another_template(world: World) -> None:
    """A pool of another template MUST be left alone."""
    world.add_pool(3)
    world.api.edit(SandboxWarmPool, "pool", {"spec": {"sandboxTemplateRef": {"name": "other"}}})
    world.session()
    assert world.started == ["Sandbox/s"]


def test_same_answer_on_all_paths(world: World) -> None:
    """SS-S5: the answer MUST have the same keys on every path."""
    restored, _ = world.session("one")
    world.api.remove(SandboxSnapshot, "snap")
    cold, _ = world.session("two")
    world.add_pool(1)
    warm, _ = world.session("three")

    assert restored.as_json().keys() == cold.as_json().keys() == warm.as_json().keys()


@pytest.mark.parametrize("kind", [Sandbox, SandboxClaim])
def test_failed_restore(make_world: MakeWorld, kind: type) -> None:
    """SS-S7: a session whose Pod has failed MUST be refused at once, and leave nothing."""
    world = make_world(limit=60)
    if kind is SandboxClaim:
        world.add_pool(1)
    world.api.fates = [POD_FAILED]
    with pytest.raises(Refused, match="PodFailed: restore failed") as refused:
        world.session()

    assert refused.value.status == 502
    assert world.started == []


def test_session_that_never_becomes_ready(make_world: MakeWorld) -> None:
    """SS-S7: a session that is not Ready in time MUST be refused, and leave nothing."""
    world = make_world(limit=0.05)
    world.api.fates = [STARTING]
    with pytest.raises(Refused, match="was not Ready within 0.05 s") as refused:
        world.session()

    assert refused.value.status == 504
    assert world.started == []


def test_session_that_is_deleted_meanwhile(world: World) -> None:
    """A session whose Sandbox vanishes MUST be refused at once."""
    world.api.fates = [None]
    with pytest.raises(Refused, match="was deleted before it was Ready"):
        world.session()


def test_user_who_hangs_up(make_world: MakeWorld) -> None:
    """A session whose user is gone MUST be deleted again."""
    world = make_world(limit=60)
    world.api.fates = [STARTING]

    async def hang_up() -> None:
        asking = asyncio.ensure_future(world.sessions.create(Wish(NAMESPACE, "python", "s")))
        while not world.started:
            await asyncio.sleep(0)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking

    world.run(hang_up())
    assert world.started == []


def test_name_that_is_taken(world: World) -> None:
    """A name that is taken MUST be refused as the API server does, and the other session stay."""
    world.session("s")
    with pytest.raises(Refused) as refused:
        world.session("s")
    assert refused.value.status == 409
    assert world.started == ["Sandbox/s"]


def test_missing_template(world: World) -> None:
    """A template that does not exist MUST be named in a 404."""
    world.api.remove(SandboxTemplate, "python")
    with pytest.raises(Refused, match="SandboxTemplate ns/python not found") as refused:
        world.session()
    assert refused.value.status == 404


def test_deletion(world: World) -> None:
    """A session MUST be deleted by its id, whatever path it took, and only it."""
    world.session("other")
    restored, _ = world.session("one")
    world.add_pool(1)
    warm, _ = world.session("two")

    assert world.run(world.sessions.delete(NAMESPACE, restored.id))
    assert world.run(world.sessions.delete(NAMESPACE, warm.id))
    assert not world.run(world.sessions.delete(NAMESPACE, warm.id))
    assert world.started == ["Sandbox/other"]


def test_youngest_snapshot(world: World) -> None:
    """Of several Ready snapshots of a template the youngest that is usable MUST be taken."""
    world.create_snapshot("younger", "2026-01-02T00:00:00Z")
    younger = world.api.objects["SandboxSnapshot", "younger"]
    world.write(younger, world.active_set("younger-key"))
    assert world.session("one")[1].key == "younger-key"
    world.write(younger, None)
    assert world.session("two")[1].key == KEY


def test_news_that_is_late(world: World) -> None:
    """What became Ready a moment ago MUST be used although no watch has told of it yet."""
    stale = {**world.snapshot, "status": {"phase": "Creating"}}
    world.objects.snapshots = lambda _namespace: [stale]  # type: ignore[method-assign]
    assert world.session("one")[1].key == KEY
    world.add_pool(1)
    empty = {**world.api.objects["SandboxWarmPool", "pool"], "status": {"readyReplicas": 0}}
    world.objects.pools = lambda _namespace: [empty]  # type: ignore[method-assign]
    world.session("two")
    assert world.started == ["Sandbox/one", "SandboxClaim/two"]


def test_deletion_that_is_not_told_yet(world: World) -> None:
    """SS-I7: a snapshot that is being deleted MUST NOT be used although no watch has told of it yet."""
    stale = dict(world.snapshot)
    world.objects.snapshots = lambda _namespace: [stale]  # type: ignore[method-assign]
    finalized = {"metadata": {"finalizers": ["records"], "deletionTimestamp": "2026-01-01T00:00:00Z"}}
    world.api.edit(SandboxSnapshot, "snap", finalized)
    assert world.session()[1].key is None


def test_slow_store(world: World) -> None:
    """SS-S3: a store that does not answer in time MUST NOT hold the session up."""

    class Slow:
        async def get(self, key: str) -> None:
            await asyncio.sleep(60)

    world.sessions.lookup._store = Slow()  # type: ignore[assignment]
    _, intent = world.session()
    assert intent.key is None
    assert "did not answer within 0.2 s" in intent.why


def test_store_that_is_down(world: World) -> None:
    """SS-S3: without the store the session MUST start cold, and the next be restored once it is back."""
    world.store.down = True
    assert world.session("one")[1].key is None
    world.store.down = False
    assert world.session("two")[1].key == KEY


# -- requests -------------------------------------------------------------


def test_wishes() -> None:
    """A request MUST be read as it is, with a name where it has none."""
    wish = wish_of(b'{"namespace": "n", "template": "t", "metadata": {"labels": {"a": "b"}}}')
    assert (wish.namespace, wish.template, wish.labels) == ("n", "t", {"a": "b"})
    assert wish.name.startswith("session-")
    assert wish_of(b'{"namespace": "n", "template": "t", "name": "s"}').name == "s"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"7",
        b"\xff",
        b'{"namespace": "n"}',
        b'{"namespace": "n", "template": ""}',
        b'{"namespace": "n", "template": 7}',
        b'{"namespace": "n", "template": "t", "name": 7}',
        b'{"namespace": "n", "template": "t", "metadata": 7}',
        b'{"namespace": "n", "template": "t", "metadata": {"labels": {"a": 1}}}',
        b'{"namespace": "n", "template": "t", "metadata": {"annotations": []}, "name": "s", "x": {}}garbage',
    ],
)
def test_what_is_no_request(body: bytes) -> None:
    """What is no request MUST be refused with 400."""
    with pytest.raises(Refused) as refused:
        wish_of(body)
    assert refused.value.status == 400
