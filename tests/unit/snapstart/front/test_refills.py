"""What a pool makes: with the key of its template's snapshot, or without one."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from reference.snapstart.kinds import SNAPSHOT_KEY, SandboxSnapshot, SandboxTemplate, SandboxWarmPool
from tests.unit.snapstart.front.world import KEY, World


def annotations(world: World, **pod: Any) -> dict[str, str] | None:
    """The annotations that the Pod template of a pool's new Sandbox gets, None where it stays as it is."""
    patch = world.refill(world.member(**pod)).patch
    if not patch:
        return None
    (change,) = patch
    assert (change["op"], change["path"]) == ("add", "/spec/podTemplate/metadata")
    assert change["value"]["labels"] == {"app": "python"}
    found: dict[str, str] = change["value"]["annotations"]
    return found


@pytest.fixture
def pooled(world: World) -> World:
    """A template with a Ready snapshot and a pool."""
    world.add_pool(0)
    return world


def test_a_member_gets_the_active_key(pooled: World) -> None:
    """The key MUST be the active one, whatever the template brings along."""
    assert annotations(pooled) == {SNAPSHOT_KEY: KEY}


def test_empty_fields_make_no_other_member(pooled: World) -> None:
    """A member MUST get the key although its containers have empty fields that the template's lack."""
    containers = copy.deepcopy(pooled.template["spec"]["podTemplate"]["spec"]["containers"])
    containers[0] |= {"resources": {}, "env": []}
    assert annotations(pooled, containers=containers) == {SNAPSHOT_KEY: KEY}


def test_others_are_left_alone(pooled: World) -> None:
    """A Sandbox that no pool makes MUST stay as it is."""
    member = pooled.member()
    del member["metadata"]["ownerReferences"]
    assert not pooled.refill(member).patch
    assert not pooled.refill(member).complaints


@pytest.mark.parametrize("missing", ["store", "snapshot", "pool", "template"])
def test_without_a_usable_snapshot_a_member_has_no_key(pooled: World, missing: str) -> None:
    """Whatever is missing, a member MUST be made, and have no key, not even one of its template."""
    kinds = {"snapshot": SandboxSnapshot, "pool": SandboxWarmPool, "template": SandboxTemplate}
    names = {"snapshot": "snap", "pool": "pool", "template": "python"}
    member = pooled.member()
    if missing == "store":
        pooled.store.down = True
    else:
        pooled.api.remove(kinds[missing], names[missing])
    verdict = pooled.refill(member)
    assert not verdict.complaints
    assert SNAPSHOT_KEY not in verdict.patch[0]["value"]["annotations"]


def test_a_member_of_an_older_template_has_no_key(pooled: World) -> None:
    """What a pool makes of the template as it was MUST NOT be restored from what it is now."""
    containers = copy.deepcopy(pooled.template["spec"]["podTemplate"]["spec"]["containers"])
    containers[0]["image"] = "python:old"
    assert annotations(pooled, containers=containers) == {}
