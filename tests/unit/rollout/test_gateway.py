"""The gateway's parts that need neither cluster nor substrate."""

from __future__ import annotations

import asyncio
import hashlib
from types import SimpleNamespace
from typing import Any

import pytest
from lightkube import ApiError
from yarl import URL

from reference.rollout.actors import Actor, State
from reference.rollout.gateway import mutants
from reference.rollout.gateway.dialects import DIALECTS
from reference.rollout.gateway.holding import LINGER, RequestLeases, TemplateRetired
from reference.rollout.gateway.turns import Turns
from reference.rollout.leases import RETIRING_ANNOTATION
from reference.rollout.roles import DESIRED_GENERATION

AGENT = {"metadata": {"namespace": "ns", "name": "a", "uid": "uid-a"}}


def template(
    name: str, place: int = 1, phase: str = "Ready", owner: str = "uid-a", **annotations: str
) -> Any:
    return {
        "metadata": {
            "namespace": "ns",
            "name": name,
            "uid": f"uid-{name}",
            "creationTimestamp": "2026-01-01T00:00:00Z",
            "labels": {"kagent.dev/sandbox-agent": "a"},
            "annotations": {DESIRED_GENERATION: str(place), **annotations},
            "ownerReferences": [{"controller": True, "uid": owner}],
        },
        "status": {"phase": phase},
    }


@pytest.mark.parametrize("dialect", sorted(DIALECTS))
def test_new_work_goes_to_the_active_template_else_to_the_newest(dialect: str) -> None:
    """New work MUST go to the most desired Ready template, without one to the newest, and nowhere without
    any.
    """
    found = [template("one", 1), template("two", 2, "ResumeGoldenActor")]
    resolve = DIALECTS[dialect].resolve

    assert resolve([], AGENT) is None
    assert resolve(found, AGENT) is found[0]
    assert resolve(found[1:], AGENT) is found[1]


@pytest.mark.parametrize(("dialect", "uses"), [("v1_safe", False), ("refcount", False), ("v1", True)])
def test_who_owns_a_template_is_asked_by_the_safe_dialects(dialect: str, uses: bool) -> None:
    """A template of another owner MUST NOT be used by v1_safe and refcount; the others go by the label."""
    foreign = [template("one", owner="uid-other")]

    assert DIALECTS[dialect].resolve(foreign, AGENT) is (foreign[0] if uses else None)


@pytest.mark.parametrize(
    ("dialect", "actor"),
    [
        ("v1", "asr-ns-a-ff-s-1"),
        ("retain", "asr-ns-a-ff-s-1"),
        ("pinned", "asr-ns-a-s-1"),
        ("refcount", "asr-" + hashlib.sha256(b"ns/a//S_1").hexdigest()[:24]),
        ("v1_safe", "asr-" + hashlib.sha256(b"ns/a/ff/S_1").hexdigest()[:24]),
    ],
)
def test_actor_of_a_session(dialect: str, actor: str) -> None:
    """Each dialect MUST name a session's actor by its own formula (contract section 3)."""
    on = template("one", **{"kagent.dev/config-hash": "ff"})

    assert DIALECTS[dialect].actor_on(on, AGENT, "S_1") == actor
    assert DIALECTS[dialect].actor_on(on, AGENT, "s-1").startswith("asr-")


class Cluster:
    """Leases and one template, as the API server would keep them."""

    def __init__(self, template: Any) -> None:
        self.template = template
        self.leases: dict[str, Any] = {}
        self.writes = 0

    async def apply(self, found: Any, name: str, **_: Any) -> None:
        self.writes += 1
        self.leases[name] = found

    async def get(self, _kind: Any, name: str, **_: Any) -> Any:
        if self.template is None:
            raise _not_found(name)
        return self.template

    async def delete(self, _kind: Any, name: str, **_: Any) -> None:
        self.leases.pop(name, None)


def _not_found(name: str) -> ApiError:
    from lightkube.models.meta_v1 import Status

    return ApiError(status=Status(code=404, message=f"{name} not found"))


def test_requests_share_a_lease_that_goes_after_the_last_one() -> None:
    """Requests on one template MUST share a lease, written before the first; it MUST go after the last."""

    async def story() -> None:
        cluster = Cluster(template("one"))
        leases = RequestLeases(cluster, "g")  # type: ignore[arg-type]
        async with leases.on(cluster.template):
            assert len(cluster.leases) == 1
            async with leases.on(cluster.template):
                pass
            assert (len(cluster.leases), cluster.writes) == (1, 1)
        async with asyncio.timeout(20 * LINGER):
            while cluster.leases:
                await asyncio.sleep(LINGER / 10)

    asyncio.run(story())


@pytest.mark.parametrize("state", ["gone", "marked", "another"])
def test_no_request_begins_on_a_template_that_is_on_its_way_out(state: str) -> None:
    """Where the template is gone, marked or another one of its name, the lease MUST be given back."""

    async def story() -> None:
        known = template("one")
        now = {
            "gone": None,
            "marked": template("one", **{RETIRING_ANNOTATION: "now"}),
            "another": {**known, "metadata": {**known["metadata"], "uid": "uid-2"}},
        }[state]
        cluster = Cluster(now)
        leases = RequestLeases(cluster, "g")  # type: ignore[arg-type]
        with pytest.raises(TemplateRetired):
            async with leases.on(known):
                pass
        assert cluster.leases == {}

    asyncio.run(story())


class Substrate:
    """Actors that are resumed at once; `slow_get` is the number of the get that takes a while."""

    def __init__(self, slow_get: int) -> None:
        self.slow_get = slow_get
        self.gets = 0
        self.state: State | None = None
        self.open_turns = 0
        #: How many turns were open at each suspension.
        self.suspended_under: list[int] = []

    def _actor(self, actor: str) -> Actor | None:
        return None if self.state is None else Actor(actor, self.state, "ns", "one", "ns")

    async def get(self, _: str, actor: str) -> Actor | None:
        self.gets += 1
        if self.gets == self.slow_get:
            await asyncio.sleep(0.1)
        return self._actor(actor)

    async def create(self, _: str, actor: str, *_template: str) -> Any:
        self.state = State.SUSPENDED
        return self._actor(actor)

    async def resume(self, _: str, actor: str) -> Any:
        self.state = State.RUNNING
        return self._actor(actor)

    async def suspend(self, *_: Any) -> None:
        self.suspended_under.append(self.open_turns)
        self.state = State.SUSPENDED


def test_no_turn_begins_while_an_earlier_one_is_still_being_closed() -> None:
    """Where two turns have ended at once, what follows the second MUST NOT suspend the actor of a third."""

    async def story() -> list[int]:
        # Two turns ask for the actor, and each looks at it once more when it has ended.
        substrate = Substrate(slow_get=4)
        cluster = Cluster(template("one"))
        turns = Turns(
            SimpleNamespace(templates=lambda _: [cluster.template]),  # type: ignore[arg-type]
            substrate,  # type: ignore[arg-type]
            RequestLeases(cluster, "g"),  # type: ignore[arg-type]
            DIALECTS["v1_safe"],
            None,  # type: ignore[arg-type]
            URL(),
        )

        async def answers(_: str) -> bool:
            return True

        turns._answers = answers  # type: ignore[method-assign]

        async def turn(until: asyncio.Event) -> None:
            async with turns.turn(AGENT, "s-1"):
                substrate.open_turns += 1
                await until.wait()
                substrate.open_turns -= 1

        ended, last = asyncio.Event(), asyncio.Event()
        both = asyncio.gather(turn(ended), turn(ended))
        while substrate.open_turns < 2:
            await asyncio.sleep(0)
        ended.set()
        await both
        while substrate.state is State.RUNNING:
            await asyncio.sleep(0)
        third = asyncio.create_task(turn(last))
        await asyncio.sleep(0.3)
        assert substrate.open_turns == 1
        last.set()
        await third
        while len(substrate.suspended_under) < 2:
            await asyncio.sleep(0)
        return substrate.suspended_under

    assert asyncio.run(asyncio.wait_for(story(), 20)) == [0, 0]


def test_mutants_are_named_as_in_the_contract() -> None:
    """Every mutant MUST have a name of the contract and a sentence that says its lie."""
    assert all("_" not in name and wrong.__doc__ for name, wrong in mutants.MUTANTS.items())
