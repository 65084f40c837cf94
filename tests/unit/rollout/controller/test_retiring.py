"""Retirement in dialect v1_safe (contract 5.1): what goes, in which order, and what keeps it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import grpc
import pytest

from reference.rollout import leases
from reference.rollout.actors import State
from reference.rollout.controller.api import Lease
from reference.rollout.controller.objects import Object
from reference.rollout.controller.passes import Outcome
from reference.rollout.kinds import ActorTemplate
from reference.rollout.leases import RETIRING_ANNOTATION
from tests.unit.rollout.controller.world import World


@pytest.fixture
def flipped(world: World) -> World:
    """A world in which green has just become Ready; blue has not been looked at since."""
    world.settle()
    world.use_model("m2")
    world.reconcile()
    world.build_all()
    world.log.entries.clear()
    return world


def blue_and_green(world: World) -> tuple[str, str]:
    """The names of the template that was replaced, and of the one that replaced it."""
    green = world.desired
    (blue,) = [name for name in world.names if name != green]
    return blue, green


def test_order_of_a_retirement(flipped: World) -> None:
    """C16, C17: mark, golden, template MUST go in this order, the golden confirmed gone in a later pass."""
    blue, _ = blue_and_green(flipped)
    golden = flipped.api.objects["ActorTemplate", blue]["status"]["goldenActorID"]

    assert flipped.reconcile() is Outcome.PROGRESS
    assert flipped.log.entries == [
        ("status", "SandboxAgent/my-agent"),
        ("patch", f"ActorTemplate/{blue}"),
        ("delete-actor", golden),
    ]
    assert flipped.reconcile() is Outcome.DONE
    assert flipped.log.entries[3:] == [("delete", f"ActorTemplate/{blue}")]
    assert flipped.secrets() == flipped.names


def test_blue_stays_until_green_is_ready(world: World) -> None:
    """C14: blue MUST NOT be touched before green is Ready, however long that takes."""
    world.settle()
    world.use_model("m2")
    for _ in range(20):
        world.reconcile()
        world.clock.advance(10)
    assert len(world.names) == 2
    assert world.log.of("delete") == []
    assert world.log.of("delete-actor") == []


def test_two_steps_behind(world: World) -> None:
    """C18: {old Ready, active Ready, newest building}: only old MUST go; newest Ready: active goes."""
    world.settle()
    (old,) = world.names
    world.ate.add("asr-held", old, State.RUNNING)
    world.use_model("m2")
    world.settle_held()
    active = world.desired
    world.use_model("m3")
    world.reconcile()
    newest = world.desired
    world.ate.set("asr-held", State.SUSPENDED)
    for _ in range(5):
        world.reconcile()
        world.clock.advance(10)
    assert sorted(world.names) == sorted([active, newest])

    world.settle()
    assert world.names == [newest]


def test_superseded_that_never_was_ready(world: World) -> None:
    """C15: a superseded template that never became Ready MUST go with its golden, suspended first."""
    world.settle()
    (blue,) = world.names
    world.use_model("m2")
    world.reconcile()
    stuck = world.desired
    golden = world.mint(stuck)
    world.use_model("m3")
    world.log.entries.clear()

    assert world.reconcile() is Outcome.PROGRESS
    assert ("suspend", golden) in world.log.entries
    assert golden not in world.log.of("delete-actor")
    assert world.reconcile() is Outcome.PROGRESS
    assert golden in world.log.of("delete-actor")
    assert f"ActorTemplate/{stuck}" not in world.log.of("delete")
    world.reconcile()
    assert f"ActorTemplate/{stuck}" in world.log.of("delete")
    assert blue in world.names


def test_golden_minted_meanwhile_goes_before_its_template(world: World) -> None:
    """I4: a superseded template whose golden is minted while it is being deleted MUST NOT go before that."""
    unborn = world.minted_at_its_deletion()
    world.use_model("m3")
    world.log.entries.clear()

    while f"ActorTemplate/{unborn}" not in world.log.of("delete"):
        assert world.reconcile() is Outcome.PROGRESS or unborn not in world.names
    (golden,) = world.log.of("suspend")
    assert world.log.entries.index(("delete-actor", golden)) < world.log.entries.index(
        ("delete", f"ActorTemplate/{unborn}")
    )
    assert golden not in world.ate.actors


def test_every_golden_goes(flipped: World) -> None:
    """D16: goldens that the status does not name MUST go, too."""
    blue, _ = blue_and_green(flipped)
    flipped.ate.add("11111111-2222-4333-8444-555555555555", blue, State.SUSPENDED)
    flipped.settle()
    assert len(flipped.ate.actors) == 1


@pytest.mark.parametrize(
    "state", [State.RUNNING, State.RESUMING, State.SUSPENDING, State.PAUSING, State.PAUSED]
)
def test_live_session_keeps_its_template(flipped: World, state: State) -> None:
    """I3, I5, C20, RO-4: a live session MUST keep its template, and be named in one Event a minute."""
    blue, _ = blue_and_green(flipped)
    flipped.ate.add("asr-live", blue, state)
    for _ in range(12):
        assert flipped.reconcile() is Outcome.AGAIN
        flipped.clock.advance(10)

    assert blue in flipped.names
    assert flipped.ate.actors["asr-live"].state is state
    assert flipped.log.of("suspend") == []
    ((reason, message, count),) = flipped.events()
    assert reason == "RetirementBlocked"
    assert message == f"ActorTemplate {blue} cannot be retired: asr-live is {state}"
    assert count == 2
    flipped.ate.set("asr-live", State.SUSPENDED)
    flipped.settle()
    assert blue not in flipped.names
    assert "asr-live" not in flipped.ate.actors


def test_request_on_its_way_keeps_its_template(flipped: World) -> None:
    """Step 2: a request lease MUST keep a template and its idle sessions until it is gone."""
    blue, _ = blue_and_green(flipped)
    assert flipped.take_lease(blue)
    flipped.ate.add("asr-idle", blue, State.SUSPENDED)
    assert flipped.reconcile() is Outcome.AGAIN
    assert "asr-idle" in flipped.ate.actors

    flipped.clock.advance(16)
    flipped.settle()
    assert blue not in flipped.names
    assert "asr-idle" not in flipped.ate.actors


def test_lease_taken_between_check_and_mark(flipped: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Step 4: a lease that is taken while the mark is written MUST be seen, and the mark taken back."""
    blue, _ = blue_and_green(flipped)
    patch = flipped.api.patch

    async def racing(kind: Any, found: Object, body: Mapping[str, Any]) -> Object:
        marked = await patch(kind, found, body)
        await flipped.api.create(Lease, leases.lease("gw", "ns", blue, flipped.clock()))
        monkeypatch.undo()
        return marked

    monkeypatch.setattr(flipped.api, "patch", racing)
    assert flipped.reconcile() is Outcome.AGAIN
    assert RETIRING_ANNOTATION not in flipped.api.objects["ActorTemplate", blue]["metadata"]["annotations"]
    assert flipped.log.of("delete-actor") == []


def test_ready_under_its_mark(world: World) -> None:
    """I2: a template that becomes Ready while its mark is written MUST be spared: none more desired is."""
    world.settle()
    world.use_model("m2")
    world.reconcile()
    late = world.desired
    golden = world.mint(late)
    world.use_model("m3")
    world.build_at_its_mark(late)

    assert world.reconcile() is Outcome.AGAIN
    assert f"ActorTemplate/{late}" in world.log.of("patch")
    assert world.active is not None and world.active["metadata"]["name"] == late
    assert golden in world.ate.actors
    assert world.log.of("delete-actor") == []
    world.settle()
    assert world.names == [world.desired] != [late]


def test_template_changed_before_its_mark(flipped: World) -> None:
    """Step 4: a template that somebody changed MUST NOT be marked on what was known before."""
    blue, _ = blue_and_green(flipped)
    flipped.api.refused["ActorTemplate", blue] = 409
    assert flipped.reconcile() is Outcome.AGAIN
    assert flipped.log.of("delete-actor") == []
    flipped.api.refused.clear()
    flipped.settle()
    assert blue not in flipped.names


def test_flip_back_after_the_mark(flipped: World) -> None:
    """Step 7: a config that comes back after its golden is gone MUST get a new object."""
    blue, green = blue_and_green(flipped)
    uid = flipped.api.objects["ActorTemplate", blue]["metadata"]["uid"]
    flipped.reconcile()
    flipped.use_model("m1")

    assert flipped.reconcile() is Outcome.AGAIN
    assert flipped.condition("Accepted") == ("True", "Reconciled")
    assert blue not in flipped.names
    assert flipped.active is not None and flipped.active["metadata"]["name"] == green
    flipped.settle()
    (template,) = flipped.templates
    assert template["metadata"]["name"] == blue
    assert template["metadata"]["uid"] != uid
    assert flipped.secrets() == [blue]


def test_mark_on_what_is_needed_again(flipped: World) -> None:
    """A marked template that is whole MUST lose its mark where nothing more desired is Ready any more."""
    blue, green = blue_and_green(flipped)
    flipped.api.edit(ActorTemplate, blue, {"metadata": {"annotations": {RETIRING_ANNOTATION: "x"}}})
    flipped.api.remove(ActorTemplate, green)
    flipped.reconcile()
    assert flipped.active is not None and flipped.active["metadata"]["name"] == blue
    flipped.settle()
    assert flipped.names == [green]


def test_reaping_is_by_template(flipped: World) -> None:
    """C19, C21, (g): only idle session actors of superseded templates MUST go, whatever their ids."""
    blue, green = blue_and_green(flipped)
    flipped.ate.add("asr-1", blue, State.SUSPENDED)
    flipped.ate.add("asr-2", green, State.SUSPENDED)
    flipped.ate.add("asr-ns-my-agent-x", "my-agent-bar-ff", State.SUSPENDED)
    flipped.settle()
    assert {a for a in flipped.ate.actors if a.startswith("asr-")} == {"asr-2", "asr-ns-my-agent-x"}


@pytest.mark.parametrize(
    "code",
    [
        grpc.StatusCode.NOT_FOUND,
        grpc.StatusCode.ABORTED,
        grpc.StatusCode.FAILED_PRECONDITION,
        grpc.StatusCode.INTERNAL,
    ],
)
def test_refused_deletions(flipped: World, code: grpc.StatusCode) -> None:
    """C22, D9: a refused deletion MUST neither fail the pass nor the agent, and be tried again."""
    blue, _ = blue_and_green(flipped)
    flipped.ate.add("asr-1", blue, State.SUSPENDED)
    flipped.ate.refused["delete"] = code
    flipped.ate.refused["delete-actor"] = code
    assert flipped.reconcile() is Outcome.AGAIN
    assert flipped.condition("Accepted") == ("True", "Reconciled")
    flipped.ate.refused.clear()
    flipped.settle()
    assert blue not in flipped.names


def test_outage_of_ate_api(flipped: World) -> None:
    """C23, I10: while ate-api is down a change MUST still be applied and reported."""
    flipped.ate.down = True
    flipped.use_model("m3")
    assert flipped.reconcile() is Outcome.AGAIN
    assert len(flipped.names) == 3
    assert flipped.condition("Accepted") == ("True", "Reconciled")
    assert flipped.events() == [
        ("RetirementPostponed", "retirement is postponed: ate-api: UNAVAILABLE: down", 1)
    ]

    flipped.ate.down = False
    flipped.settle()
    assert flipped.names == [flipped.desired]
    assert len(flipped.ate.actors) == 1


def test_template_deleted_by_somebody(world: World) -> None:
    """R19: a template that is gone MUST be made again under its name."""
    world.settle()
    (name,) = world.names
    world.api.remove(ActorTemplate, name)
    world.reconcile()
    assert world.names == [name]
    assert world.secrets() == [name]
