"""The end of a session in the gateway."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import grpc
import pytest
from yarl import URL

from fixtures.processes import free_port
from reference.program import Address, listening
from reference.rollout.actors import Actor, State
from reference.rollout.gateway import mutants, sessions
from reference.rollout.gateway.dialects import DIALECTS, Dialect
from reference.rollout.gateway.server import Gateway
from reference.rollout.gateway.sessions import Sessions
from reference.rollout.gateway.turns import InUse, Refused
from tests.unit.rollout.controller.world import rpc_error
from tests.unit.rollout.test_gateway import AGENT, template

ONE, TWO = (template(name, **{"kagent.dev/config-hash": name}) for name in ("aa", "bb"))
#: The actors of session s in K2: of each template, and of no config.
OF_RETAIN = ["asr-ns-a-aa-s", "asr-ns-a-bb-s", "asr-ns-a-s"]


class Substrate:
    """Actors by id with their states, a log of what was done, and refusals of the next calls by method."""

    def __init__(self, **states: State) -> None:
        self.states = {actor.replace("_", "-"): state for actor, state in states.items()}
        self.log: list[str] = []
        self.refused: dict[str, list[grpc.StatusCode]] = {}

    async def get(self, atespace: str, actor: str) -> Actor | None:
        state = self.states.get(actor)
        return None if state is None else Actor(actor, state, atespace, "t")

    async def suspend(self, atespace: str, actor: str) -> None:
        self._do("suspend", actor)
        self.states[actor] = State.SUSPENDED

    async def resume(self, atespace: str, actor: str) -> None:
        self._do("resume", actor)
        self.states[actor] = State.RUNNING

    async def delete(self, atespace: str, actor: str) -> None:
        self._do("delete", actor)
        del self.states[actor]

    def _do(self, method: str, actor: str) -> None:
        self.log.append(f"{method} {actor}")
        if self.refused.get(method):
            raise rpc_error(self.refused[method].pop(0), "refused")


class Turns:
    """Whose actors are in use."""

    def __init__(self, *used: str) -> None:
        self.used = used

    @asynccontextmanager
    async def between_turns(self, actor: str) -> AsyncIterator[None]:
        if actor in self.used:
            raise InUse(actor)
        yield


class Objects:
    """One agent with two templates."""

    def templates(self, namespace: str) -> list[Any]:
        return [ONE, TWO]

    async def agent(self, namespace: str, name: str) -> Any:
        return AGENT if (namespace, name) == ("ns", "a") else None


def end(substrate: Substrate, dialect: str = "retain", turns: Turns | None = None) -> list[str]:
    """End session s of the agent."""
    ending = Sessions(Objects(), substrate, turns or Turns(), DIALECTS[dialect])  # type: ignore[arg-type]
    return asyncio.run(ending.end(AGENT, "s"))


@pytest.mark.parametrize(
    ("dialect", "number"),
    [("v1_safe", 3), ("v1", 3), ("retain", 3), ("pinned", 1), ("refcount", 1)],
    ids=lambda v: str(v),
)
def test_actors_of_a_session(dialect: str, number: int) -> None:
    """K2-4: a session MUST have an actor per template and one of no config; K3-4: exactly one."""
    found = DIALECTS[dialect].actors_of([ONE, TWO], AGENT, "s")

    assert len(set(found)) == number
    assert DIALECTS[dialect].actor_on(TWO, AGENT, "s") in found
    if dialect == "retain":
        assert found == OF_RETAIN


@pytest.mark.parametrize(
    ("state", "steps"),
    [
        (State.SUSPENDED, ["delete"]),
        (State.RUNNING, ["suspend", "delete"]),
        (State.PAUSED, ["resume", "suspend", "delete"]),
    ],
)
def test_actor_goes_from_any_state(state: State, steps: list[str]) -> None:
    """An actor MUST be brought to its end from whatever state, and others left alone."""
    substrate = Substrate(asr_ns_a_bb_s=state, asr_ns_a_bb_other=State.SUSPENDED)

    assert end(substrate) == ["asr-ns-a-bb-s"]
    assert substrate.log == [f"{step} asr-ns-a-bb-s" for step in steps]
    assert list(substrate.states) == ["asr-ns-a-bb-other"]


def test_all_actors_go() -> None:
    """The actors of all templates, and the one of no config, MUST go; none at all is no error."""
    substrate = Substrate(**dict.fromkeys((a.replace("-", "_") for a in OF_RETAIN), State.SUSPENDED))

    assert end(substrate) == OF_RETAIN
    assert substrate.states == {}
    assert end(substrate) == []


def test_somebody_else_at_work_is_waited_for() -> None:
    """An actor on which others work MUST be looked at anew until it is gone."""
    substrate = Substrate(asr_ns_a_aa_s=State.RUNNING)
    substrate.refused = {
        "suspend": [grpc.StatusCode.ABORTED],
        "delete": [grpc.StatusCode.FAILED_PRECONDITION],
    }

    assert end(substrate) == ["asr-ns-a-aa-s"]
    assert [line.split()[0] for line in substrate.log] == ["suspend", "suspend", "delete", "delete"]


def test_other_errors_are_the_callers() -> None:
    """What ate-api says otherwise MUST reach the caller."""
    substrate = Substrate(asr_ns_a_aa_s=State.SUSPENDED)
    substrate.refused = {"delete": [grpc.StatusCode.UNAVAILABLE]}

    with pytest.raises(grpc.aio.AioRpcError) as caught:
        end(substrate)

    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE


def test_an_answer_that_goes_on_is_not_cut() -> None:
    """While an actor answers, the end of its session MUST be refused with 409."""
    substrate = Substrate(asr_ns_a_aa_s=State.RUNNING)

    with pytest.raises(Refused) as caught:
        end(substrate, turns=Turns("asr-ns-a-aa-s"))

    assert (caught.value.status, caught.value.text) == (
        409,
        "session s has an answer that goes on; end it first",
    )
    assert substrate.log == []


def test_an_actor_that_stays_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """An actor that cannot be removed in time MUST be told with 504."""
    monkeypatch.setattr(sessions, "_LIMIT", 0.05)
    substrate = Substrate(asr_ns_a_aa_s=State.PAUSING)

    with pytest.raises(Refused, match=r"session s could not be ended within 0 s"):
        end(substrate)


@pytest.mark.parametrize(
    ("query", "used", "status", "message"),
    [
        ("agent_ref=ns/a", (), 200, "Session deleted successfully"),
        ("agent_ref=ns/a", OF_RETAIN, 409, "session s has an answer that goes on; end it first"),
        ("agent_ref=ns/b", (), 404, "SandboxAgent ns/b not found"),
        ("agent_ref=a", (), 400, "agent_ref is required: NAMESPACE/NAME of the session's agent"),
        ("", (), 400, "agent_ref is required: NAMESPACE/NAME of the session's agent"),
    ],
)
def test_the_end_of_a_session_by_http(query: str, used: tuple[str, ...], status: int, message: str) -> None:
    """DELETE of a session MUST end it, and answer as kagent's own API does."""
    substrate = Substrate(asr_ns_a_aa_s=State.SUSPENDED)

    async def story() -> tuple[int, Any, Gateway]:
        turns, objects = Turns(*used), Objects()
        ending = Sessions(objects, substrate, turns, DIALECTS["retain"])  # type: ignore[arg-type]
        async with aiohttp.ClientSession() as http:
            gateway = Gateway(objects, turns, ending, http, URL("http://nowhere"), lambda: 0.0)  # type: ignore[arg-type]
            address = Address("127.0.0.1", free_port())
            async with (
                listening(gateway.application(), address),
                http.delete(f"http://{address}/api/sessions/s?{query}") as reply,
            ):
                return reply.status, await reply.json(), gateway

    found, body, gateway = asyncio.run(story())

    assert (found, body) == (status, {"error": status != 200, "data": {}, "message": message})
    assert (substrate.states == {}) is (status == 200)
    assert gateway.metrics.requests.labels(status)._value.get() == 1


def test_mutant_leaves_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """Mutant delete-active-only MUST do what it is about."""
    monkeypatch.setattr(Dialect, "actors_of", Dialect.actors_of)
    mutants.MUTANTS["delete-active-only"]()
    substrate = Substrate(**dict.fromkeys((a.replace("-", "_") for a in OF_RETAIN), State.SUSPENDED))

    assert len(end(substrate)) == 1
    assert len(substrate.states) == 2
