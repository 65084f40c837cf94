"""What lies between a test and the proxy: a test's own disturbances, and a proxy that fails."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from fixtures.conformance.mutants import PROXY_FAILED
from fixtures.conformance.nodes import record
from fixtures.journal.history import History
from fixtures.mutation import ProxyFailed, Saboteur, refuse_failed_proxy
from fixtures.namespace import Excused
from fixtures.sabotage.client import ProxyError
from tests.unit.sabotage.conftest import HERE, World, eventually


@pytest.mark.parametrize("name", ["upstream-lost", "rule-broken"])
def test_a_test_whose_proxy_failed_fails(request: pytest.FixtureRequest, name: str) -> None:
    """A test during which the proxy failed MUST fail, and its record MUST say so apart from the error."""
    history = History()
    history.record_hit(1.0, "refuse", "409 to create sandboxes")
    history.record_hit(2.0, name, "get sandboxes: gone")
    history.record_hit(3.0, name, "list sandboxes: gone")
    journal = cast("Any", SimpleNamespace(history=history))

    with pytest.raises(ProxyFailed, match=f"failed 2 times, first: {name}: get sandboxes: gone"):
        refuse_failed_proxy(request.node, journal, Excused(set()))

    assert len(record(request.node).evidence.pop(PROXY_FAILED)) == 2


def test_what_rules_do_is_no_failure(request: pytest.FixtureRequest) -> None:
    """The hits of rules MUST NOT fail a test."""
    history = History()
    history.record_hit(1.0, "refuse", "409 to create sandboxes")

    refuse_failed_proxy(request.node, cast("Any", SimpleNamespace(history=history)), Excused(set()))

    assert PROXY_FAILED not in record(request.node).evidence


@pytest.mark.parametrize(("name", "fails"), [("upstream-lost", False), ("rule-broken", True)])
def test_a_lost_api_server_is_excused_where_the_test_takes_it_away(
    request: pytest.FixtureRequest, name: str, fails: bool
) -> None:
    """A test that takes the API server away itself MUST NOT fail for that, but still for a broken rule."""
    history = History()
    history.record_hit(1.0, name, "get sandboxes: gone")
    journal = cast("Any", SimpleNamespace(history=history))

    if fails:
        with pytest.raises(ProxyFailed):
            refuse_failed_proxy(request.node, journal, Excused(set(), api_server=True))
        record(request.node).evidence.pop(PROXY_FAILED)
    else:
        refuse_failed_proxy(request.node, journal, Excused(set(), api_server=True))


def test_disturbances_keep_to_their_namespace_unless_they_are_everywhere(world: World) -> None:
    """A rule MUST be on in the test's namespace, or everywhere where the test says so."""
    saboteur = Saboteur(world.sabotage, HERE, cast("Any", None))
    watch = world.controller.watch()
    world.wait_for_watches("sandboxes")

    refusing = saboteur.rule("refuse", status=409, name="one", verb="delete")
    closing = saboteur.rule("close-watches", everywhere=True)

    assert watch.next() == ("", "")
    assert (saboteur.stop(refusing), closing.hits) == (0, 1)
    with pytest.raises(ProxyError, match="so it takes none"):
        saboteur.rule("close-watches")


def test_all_disturbances_end_also_where_one_cannot(world: World) -> None:
    """At the end of a test every rule MUST be switched off, whatever becomes of one of them."""
    saboteur = Saboteur(world.sabotage, HERE, cast("Any", None))
    rules = [saboteur.rule("refuse", status=409) for _ in range(3)]
    rules[1].remove()

    with pytest.raises(ProxyError, match=f"rule {rules[1].id} is not switched on"):
        saboteur.stop_all()

    assert world.controller.create().status == 201
    eventually(world.sabotage.healthy)
