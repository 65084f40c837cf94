"""The front's HTTP side, over real sockets: answers, and what is counted (SS-M1)."""

from __future__ import annotations

from typing import Any

import aiohttp

from fixtures.processes import free_port
from reference.program import Address, listening
from reference.snapstart.front.server import PATH
from reference.snapstart.kinds import SandboxSnapshot
from tests.unit.fakeapi import NAMESPACE
from tests.unit.snapstart.front.world import World

ASKED = {"namespace": NAMESPACE, "template": "python"}


def ask(world: World, *requests: tuple[str, str, Any]) -> list[tuple[int, Any]]:
    """Status and body of the answers to requests (method, path, JSON)."""

    async def asking() -> list[tuple[int, Any]]:
        address = Address("127.0.0.1", free_port())
        answers = []
        async with listening(world.front.application(), address), aiohttp.ClientSession() as http:
            for method, path, body in requests:
                async with http.request(method, f"http://{address}{path}", json=body) as reply:
                    answers.append((reply.status, await reply.json()))
        return answers

    found: list[tuple[int, Any]] = world.run(asking())
    return found


def counted(world: World, result: str) -> float:
    """How many sessions were counted with a result."""
    labels = {"mode": "Fork", "result": result}
    name = "agentcube_snapshot_restore_intent_total"
    return world.metrics.registry.get_sample_value(name, labels) or 0


def test_life_of_a_session(world: World) -> None:
    """A session MUST be created, told of, deleted, and then be unknown."""
    ((status, made),) = ask(world, ("POST", PATH, ASKED))
    assert status == 200
    assert made["endpoint"] == "http://127.60.0.7:9000"
    place = f"{PATH}/{NAMESPACE}/{made['sessionId']}"
    answers = ask(world, ("DELETE", place, None), ("DELETE", place, None))
    assert [status for status, _ in answers] == [200, 404]


def test_intents_are_counted(world: World) -> None:
    """SS-M1: each session MUST count once, by whether its Pod got a key; a refused one does not."""
    ask(world, ("POST", PATH, ASKED), ("POST", PATH, {"namespace": NAMESPACE, "template": "none"}))
    assert (counted(world, "restore_intent"), counted(world, "cold_start")) == (1, 0)
    world.api.remove(SandboxSnapshot, "snap")
    ask(world, ("POST", PATH, ASKED))
    world.add_pool(1)
    ask(world, ("POST", PATH, ASKED))
    assert (counted(world, "restore_intent"), counted(world, "cold_start")) == (1, 2)


def test_refusals(world: World) -> None:
    """A refusal MUST have its status and say why, as JSON."""
    answers = ask(
        world, ("POST", PATH, {"namespace": NAMESPACE}), ("POST", PATH, {**ASKED, "template": "none"})
    )
    assert [status for status, _ in answers] == [400, 404]
    assert answers[0][1]["error"] == "no request for a session: template has to be a text that is not empty"
    assert answers[1][1]["error"] == "SandboxTemplate ns/none not found"
