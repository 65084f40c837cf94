"""One lie, told alike wherever the controller reads: lists, watches, gets and the replies to writes."""

from __future__ import annotations

import pytest

from fixtures.kube.kinds import SANDBOX
from tests.unit.sabotage.conftest import HERE, THERE, Hits, World, eventually, sandbox


def test_every_way_to_read_tells_the_same_lie(world: World) -> None:
    """List, get, watch with initial events, and the replies to writes MUST tell the same lie."""
    world.put(sandbox(lie="true"))
    with world.sabotage.during("hide", HERE):
        watch = world.controller.watch(query="&sendInitialEvents=true")
        first = watch.reply.readline()
        listed = world.controller.send("GET", SANDBOX.path()).json["items"][0]
        updated = world.controller.send("PUT", SANDBOX.path(HERE, "one"), sandbox(lie="true"))
        patched = world.controller.send(
            "PATCH", SANDBOX.path(HERE, "one"), {"metadata": {"labels": {"lie": "true"}}}
        )
        told = [reply.labels["lie"] for reply in (world.controller.get(), updated, patched)]

    assert b'"lie":"told"' in first
    assert listed["metadata"]["labels"] == {"lie": "told"}
    assert told == ["told"] * 3
    assert world.controller.get().labels == {"lie": "true"}


def test_a_hidden_object_is_nowhere(world: World) -> None:
    """A hidden object MUST be missing from lists, gets and initial events; the end of those MUST arrive."""
    world.put(sandbox("one", hidden="true"))
    world.put(sandbox("two"))
    with world.sabotage.during("hide", HERE):
        watch = world.controller.watch(query="&sendInitialEvents=true")

        assert world.controller.names() == ["two"]
        assert world.controller.get("one").json["reason"] == "NotFound"
        assert [watch.next(), watch.next()] == [("ADDED", "two"), ("BOOKMARK", "")]


def test_the_writer_of_a_hidden_object_gets_its_answer(world: World) -> None:
    """A write MUST be answered as it was, for a write that succeeded cannot be unseen at once."""
    with world.sabotage.during("hide", HERE):
        created = world.controller.create(hidden="true")

    assert (created.status, created.json["metadata"]["name"]) == (201, "one")


def test_what_comes_into_view_is_added_and_what_leaves_it_deleted(world: World) -> None:
    """A watch MUST tell of changes as if only what is in view existed."""
    world.put(sandbox(hidden="true"))
    with world.sabotage.during("hide", HERE):
        watch = world.controller.watch(query="&sendInitialEvents=true")
        world.put(sandbox())
        world.put(sandbox(hidden="true"))
        world.put(sandbox(hidden="true"))
        world.put(sandbox())
        world.remove(sandbox())
        seen = [watch.next() for _ in range(5)]

    assert seen == [
        ("BOOKMARK", ""),
        ("ADDED", "one"),
        ("DELETED", "one"),
        ("ADDED", "one"),
        ("DELETED", "one"),
    ]


def test_a_deletion_out_of_view_is_not_told(world: World) -> None:
    """The deletion of a hidden object MUST NOT reach a watch, and its successor MUST."""
    with world.sabotage.during("hide", HERE):
        watch = world.controller.watch()
        world.wait_for_watches("sandboxes")
        world.put(sandbox(hidden="true"))
        world.remove(sandbox())
        world.put(sandbox())

        assert watch.next() == ("ADDED", "one")


def test_other_namespaces_are_left_alone(world: World) -> None:
    """A rule MUST NOT touch objects of other namespaces, in lists, gets or watches of all of them."""
    with world.sabotage.during("hide", HERE) as rule:
        watch = world.controller.watch()
        world.wait_for_watches("sandboxes")
        world.put(sandbox("one", HERE, hidden="true"))
        world.put(sandbox("other", THERE, hidden="true"))

        assert watch.next() == ("ADDED", "other")
        assert world.controller.names() == ["other"]
        assert world.controller.send("GET", SANDBOX.path(THERE, "other")).status == 200
        assert rule.hits > 0


class TestRulesThatComeAndGo:
    """A rule is switched on or off while watches are open."""

    def test_open_watches_tell_the_lie_from_their_next_event_on(self, world: World) -> None:
        """What a controller has read before the rule MUST stay until it is told of it again."""
        world.put(sandbox())
        watch = world.controller.watch(query="&sendInitialEvents=true")
        seen = [watch.next(), watch.next()]
        with world.sabotage.during("hide", HERE):
            was_silent = watch.silent()
            world.put(sandbox(hidden="true"))
            seen.append(watch.next())

        assert was_silent
        assert seen == [("ADDED", "one"), ("BOOKMARK", ""), ("DELETED", "one")]

    def test_what_was_hidden_appears_with_its_next_event(self, world: World) -> None:
        """When the rule has gone, a hidden object MUST be ADDED when it changes."""
        watch = world.controller.watch()
        world.wait_for_watches("sandboxes")
        with world.sabotage.during("hide", HERE) as rule:
            world.put(sandbox(hidden="true"))
            eventually(lambda: rule.hits == 1)
        world.put(sandbox(hidden="true"))

        assert watch.next() == ("ADDED", "one")

    def test_a_resumed_watch_is_told_what_left_while_it_was_closed(self, world: World) -> None:
        """A hidden object that a new watch has not heard of MUST be told as DELETED, which harms nobody."""
        world.put(sandbox())
        with world.sabotage.during("hide", HERE):
            watch = world.controller.watch(query="&resourceVersion=101")
            world.wait_for_watches("sandboxes")
            world.put(sandbox(hidden="true"))

            assert watch.next() == ("DELETED", "one")


class TestBrokenRules:
    """A rule that fails in itself must not be taken for a wrong controller, nor for a right one."""

    @pytest.mark.parametrize("where", ["view", "act"])
    def test_a_failure_at_an_event_is_known(self, world: World, where: str) -> None:
        """The failure MUST be a hit in its namespace, and the watch MUST go on."""
        hits = Hits(world)
        watch = world.controller.watch()
        world.wait_for_watches("sandboxes")
        with world.sabotage.during("clumsy", HERE, where=where):
            world.put(sandbox())
            name, text = hits.next()
        world.put(sandbox("two"))
        seen = watch.next() if where == "view" else (watch.next(), watch.next())[1]

        assert name == "rule-broken"
        assert "KeyError: 'no such field'" in text
        assert seen == ("ADDED", "two")

    def test_a_failure_at_a_request_is_answered(self, world: World) -> None:
        """The request MUST be answered with a 500 that says so."""
        world.put(sandbox())
        with world.sabotage.during("clumsy", HERE, where="view"):
            reply = world.controller.get()

        assert reply.status == 500
        assert "a rule of the sabotage proxy failed at get sandboxes/one" in reply.json["message"]
