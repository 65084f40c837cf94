"""What the proxy is told: rules on and off, commands, and who hears of their hits."""

from __future__ import annotations

from typing import Any

import pytest

from fixtures.kube.kinds import SANDBOX
from fixtures.sabotage import Sabotage
from fixtures.sabotage.client import ProxyError
from tests.unit.sabotage.conftest import HERE, THERE, Hits, World, eventually, sandbox


@pytest.mark.parametrize(
    ("name", "namespace", "parameters", "complaint"),
    [
        ("refusal", HERE, {}, "unknown rule 'refusal'; did you mean 'refuse'?"),
        ("refuse", HERE, {}, "rule 'refuse': .*missing 1 required keyword-only argument: 'status'"),
        (
            "refuse",
            HERE,
            {"status": 409, "plurals": "x"},
            "rule 'refuse': .*unexpected keyword argument 'plurals'",
        ),
        ("refuse", HERE, {"status": 200}, "status is an HTTP status of an error, not 200"),
        ("refuse", HERE, {"status": 409, "verb": "post"}, "unknown verb 'post'"),
        ("hold", HERE, {"share": 0}, "share is more than 0 and at most 1, not 0"),
        ("slow", HERE, {"seconds": 0}, "seconds is more than 0, not 0"),
        ("slow", HERE, {"seconds": "soon"}, "rule 'slow': "),
        ("delay-watches", HERE, {"seconds": 1}, "watches of every namespace, so it takes none"),
        ("close-watches", "", {"times": 1}, "unexpected keyword argument 'times'"),
    ],
)
def test_a_wrong_rule_is_refused_with_the_reason(
    world: World, name: str, namespace: str, parameters: dict[str, Any], complaint: str
) -> None:
    """A rule that cannot be meant MUST be refused in words, and MUST NOT be on."""
    with pytest.raises(ProxyError, match=f"refused POST rules: 400 .*{complaint}"):
        world.sabotage.rule(name, namespace, **parameters)

    assert world.controller.create().status == 201


def test_a_rule_that_is_off_is_not_there(world: World) -> None:
    """Asking for, commanding or removing a rule that is off MUST be refused in words."""
    rule = world.sabotage.rule("hold", HERE)
    assert rule.remove() == 0

    for ask in (lambda: rule.hits, rule.remove, lambda: rule.command("release")):
        with pytest.raises(ProxyError, match=f"404 rule {rule.id} is not switched on"):
            ask()


def test_an_unknown_command_is_refused(world: World) -> None:
    """A command that a rule does not have MUST be refused with those that it has."""
    with (
        world.sabotage.during("hold", HERE) as rule,
        pytest.raises(ProxyError, match="rule 'hold': unknown command 'realease'; did you mean 'release'?"),
    ):
        rule.command("realease")


def test_a_proxy_that_is_not_there_says_so() -> None:
    """A client without a proxy MUST know it, whether it asks or tells."""
    nobody = Sabotage("http://127.0.0.1:9")

    assert not nobody.healthy()
    with pytest.raises(ProxyError, match="the sabotage proxy http://127.0.0.1:9 does not answer"):
        nobody.rule("hold")


def test_what_is_no_proxy_is_not_healthy(world: World) -> None:
    """An answer of something else MUST NOT be taken for the proxy's."""
    assert world.sabotage.healthy()
    assert not Sabotage(world.run(_address(world))).healthy()


async def _address(world: World) -> str:
    assert world.server._runner is not None
    return f"http://127.0.0.1:{world.server._runner.addresses[0][1]}"


def test_rules_apply_in_the_order_they_came(world: World) -> None:
    """The first rule MUST have the first word."""
    with world.sabotage.during("refuse", HERE, status=409), world.sabotage.during("refuse", "", status=500):
        assert world.controller.create().status == 409


def test_hits_are_told_where_they_happen(world: World) -> None:
    """A hit MUST be told to who listens in its namespace; one of every namespace to everyone."""
    here, there = Hits(world, HERE), Hits(world, THERE)
    with world.sabotage.during("refuse", HERE, status=409):
        world.controller.create()
    world.controller.watch()
    world.wait_for_watches("sandboxes")
    with world.sabotage.during("close-watches"):
        pass

    assert here.next() == ("refuse", "409 to create sandboxes")
    assert here.next() == there.next() == ("close-watches", "watch sandboxes closed")


def test_hits_of_the_past_are_not_told(world: World) -> None:
    """Who listens MUST hear of what happens from then on, so that nothing need be kept."""
    with world.sabotage.during("refuse", HERE, status=409) as rule:
        world.controller.create("one")
        hits = Hits(world)
        world.controller.send("DELETE", SANDBOX.path(HERE, "one"))

        assert rule.hits == 2
    assert hits.next() == ("refuse", "409 to delete sandboxes/one")


def test_a_rule_that_ends_writes_no_more(world: World) -> None:
    """A rule's own writes MUST go out in the controller's name, and end with it."""
    world.put(sandbox())
    world.controller.get()
    rule = world.sabotage.rule("busy", HERE)
    eventually(lambda: len(world.writes()) >= 2)

    rule.remove()
    count = len(world.writes())
    hits = Hits(world)

    assert hits.nothing()
    # The last of them may have been on its way.
    assert len(world.writes()) <= count + 1
    assert world.server.asked[-1].headers["User-Agent"] == "controller"
    assert world.server.asked[-1].headers["Content-Type"] == "application/merge-patch+json"
