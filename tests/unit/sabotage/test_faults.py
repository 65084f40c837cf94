"""Each disturbance does what it says, to what it is meant for, as often as it is told."""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from fixtures.kube.kinds import CLAIM, SANDBOX
from tests.unit.sabotage.conftest import HERE, THERE, Reply, World, eventually, sandbox


@pytest.fixture
def background() -> Any:
    """Runs functions in threads; gives a function that waits for a thread's result."""
    threads: list[threading.Thread] = []

    def start(work: Callable[[], Any]) -> Callable[[], Any]:
        results: list[Any] = []

        def run() -> None:
            try:
                results.append(work())
            except (OSError, http.client.HTTPException) as err:
                results.append(err)

        threads.append(threading.Thread(target=run))
        threads[-1].start()

        def result() -> Any:
            eventually(lambda: bool(results))
            return results[0]

        return result

    yield start
    for thread in threads:
        thread.join()


class TestRefuse:
    """Writes are refused."""

    @pytest.mark.parametrize(
        ("status", "reason", "retry"),
        [(409, "Conflict", None), (429, "TooManyRequests", "1"), (500, "Int", None)],
    )
    def test_the_refusal_is_the_api_servers(
        self, world: World, status: int, reason: str, retry: str | None
    ) -> None:
        """A refused write MUST NOT reach the API server, and its refusal MUST look like the API server's."""
        with world.sabotage.during("refuse", HERE, status=status) as rule:
            reply = world.controller.create()

            assert rule.hits == 1
        assert reply.status == reply.json["code"] == status
        assert reply.json["kind"] == "Status"
        assert reply.json["reason"].startswith(reason)
        assert reply.headers.get("Retry-After") == retry
        assert world.writes() == []

    @pytest.mark.parametrize(
        ("matching", "hits"),
        [
            ({}, 4),
            ({"verb": "create"}, 1),
            ({"verb": "delete"}, 1),
            ({"plural": "sandboxclaims"}, 0),
            ({"name": "two"}, 1),
            ({"subresource": ""}, 3),
            ({"subresource": "status"}, 1),
            ({"times": 2}, 2),
            ({"verb": "update", "name": "one", "subresource": "status"}, 1),
        ],
    )
    def test_only_what_matches_is_refused(self, world: World, matching: dict[str, Any], hits: int) -> None:
        """What does not match MUST pass, reads in any case."""
        with world.sabotage.during("refuse", HERE, status=409, **matching) as rule:
            codes = [
                world.controller.create("one").status,
                world.controller.send("PUT", SANDBOX.path(HERE, "one", "status"), sandbox("one")).status,
                world.controller.send("PUT", SANDBOX.path(HERE, "two"), sandbox("two")).status,
                world.controller.send("DELETE", SANDBOX.path(HERE, "one")).status,
            ]
            world.controller.get()

            assert rule.hits == codes.count(409) == hits

    def test_other_namespaces_are_left_alone(self, world: World) -> None:
        """A fault of one namespace MUST NOT disturb another."""
        with world.sabotage.during("refuse", THERE, status=409):
            assert world.controller.create().status == 201

    def test_a_share_is_drawn_by_seed(self, world: World) -> None:
        """The same seed MUST draw the same writes, another one others, and about the share asked for."""

        def drawn(seed: int) -> list[int]:
            with world.sabotage.during("refuse", HERE, status=409, share=0.5, seed=seed):
                return [world.controller.create(f"s{i}").status for i in range(20)]

        assert drawn(1) == drawn(1) != drawn(2)
        assert 4 <= drawn(1).count(409) <= 16


class TestLoseReply:
    """The reply to a write is lost."""

    def test_the_write_is_carried_out(self, world: World) -> None:
        """The write MUST be carried out, and the connection cut before its answer."""
        with world.sabotage.during("lose-reply", HERE, times=1) as rule:
            with pytest.raises((http.client.HTTPException, ConnectionError)):
                world.controller.create()

            assert rule.hits == 1
            assert world.controller.get().status == 200
            assert world.controller.create("two").status == 201

    def test_times_counts_writes_at_once(self, world: World, background: Any) -> None:
        """`times` MUST hold for writes that are under way at the same time."""
        with (
            world.sabotage.during("lose-reply", HERE, times=1),
            world.sabotage.during("slow", HERE, seconds=0.1),
        ):
            results = [background(lambda name=name: world.controller.create(name)) for name in ("one", "two")]
            codes = sorted(r.status if isinstance(r := result(), Reply) else 0 for result in results)

        assert codes == [0, 201]


class TestHold:
    """Writes wait."""

    @pytest.mark.parametrize("how", ["release", "remove"])
    def test_a_write_waits_until_it_is_let_go(self, world: World, background: Any, how: str) -> None:
        """A held write MUST NOT reach the API server before it is let go, and MUST then."""
        rule = world.sabotage.rule("hold", HERE)
        result = background(world.controller.create)
        eventually(lambda: rule.hits == 1)
        held = world.writes()
        if how == "release":
            rule.command("release")
        else:
            rule.remove()

        assert held == []
        assert result().status == 201
        assert world.controller.create("two").status == 201

    def test_a_held_write_ends_with_its_controller(self, world: World) -> None:
        """A held write of a controller that has gone away MUST NOT be carried out later."""
        rule = world.sabotage.rule("hold", HERE, name="one")
        gone = http.client.HTTPConnection("127.0.0.1", world.controller.port)
        gone.request("DELETE", SANDBOX.path(HERE, "one"))
        eventually(lambda: rule.hits == 1)
        gone.close()
        # Behind it: the proxy has noticed the end of the first connection when it serves a later one.
        world.controller.create("two")
        rule.remove()
        world.controller.create("three")

        assert world.writes() == ["POST sandboxes", "POST sandboxes"]


class TestSlow:
    """Writes are late."""

    @pytest.mark.parametrize("name", ["slow", "late-reply"])
    def test_a_write_is_late(self, world: World, name: str) -> None:
        """A write MUST be passed on, or answered, after the given time."""
        with world.sabotage.during(name, HERE, seconds=0.2):
            begun = time.monotonic()
            world.controller.create()

        assert time.monotonic() - begun >= 0.2

    @pytest.mark.parametrize(("name", "carried_out"), [("slow", []), ("late-reply", ["POST sandboxes"])])
    def test_the_end_of_the_rule_ends_the_waiting(
        self, world: World, background: Any, name: str, carried_out: list[str]
    ) -> None:
        """What still waits, a write or its reply, MUST go on at once when the rule ends."""
        rule = world.sabotage.rule(name, HERE, seconds=600)
        result = background(world.controller.create)
        eventually(lambda: rule.hits == 1)
        before = world.writes()

        rule.remove()

        assert before == carried_out
        assert result().status == 201


class TestOvertake:
    """Somebody else is faster."""

    def test_the_object_is_changed_just_before(self, world: World) -> None:
        """The object MUST be changed before a write to it or its status; a creation is left alone."""
        with world.sabotage.during("overtake", HERE, times=1) as rule:
            world.controller.create()
            version = world.server.version
            world.controller.send("PATCH", SANDBOX.path(HERE, "one", "status"), {"status": {}})

            assert rule.hits == 1
        assert world.writes() == ["POST sandboxes", "PATCH one", "PATCH status"]
        assert world.server.version == version + 2


class TestNoteWrites:
    """Writes are counted."""

    def test_every_write_that_goes_out_counts(self, world: World) -> None:
        """Each write that reaches the API server MUST count, no read and no refused one."""
        with world.sabotage.during("note-writes", HERE) as rule:
            world.controller.create()
            world.controller.get()
            with world.sabotage.during("refuse", HERE, status=409):
                world.controller.create()

            assert rule.hits == 1


class TestWatches:
    """Watches are closed, expire, and deliver late."""

    def test_open_watches_are_closed_once(self, world: World) -> None:
        """Every open watch of the resource MUST end in order, others and later ones MUST go on."""
        closed, other = world.controller.watch(), world.controller.watch(CLAIM)
        world.wait_for_watches("sandboxes", "sandboxclaims")
        with world.sabotage.during("close-watches", plural="sandboxes") as rule:
            assert rule.hits == 1
            assert closed.next() == ("", "")
            assert other.silent()
            later = world.controller.watch()
            world.wait_for_watches("sandboxes", "sandboxclaims")
            world.put(sandbox())
            assert later.next() == ("ADDED", "one")

    def test_watches_of_a_controller_that_has_gone_do_not_count(self, world: World) -> None:
        """A watch MUST NOT be closed, and counted, that nobody reads any more."""
        world.controller.watch().close()
        world.wait_for_watches()
        with world.sabotage.during("close-watches") as rule:
            assert rule.hits == 0

    def test_whoever_resumes_an_expired_watch_is_told(self, world: World) -> None:
        """As many resumptions as watches were open MUST get 410; a watch that begins anew MUST NOT."""
        before = [world.controller.watch(), world.controller.watch()]
        world.wait_for_watches("sandboxes", "sandboxes")
        with world.sabotage.during("expire-watches", plural="sandboxes") as rule:
            ended = [watch.next() for watch in before]
            anew = world.controller.watch(query="&resourceVersion=7&sendInitialEvents=true")
            resumed = [world.controller.watch(query="&resourceVersion=7") for _ in range(2)]
            lines = [watch.reply.readline() for watch in resumed]
            third = world.controller.watch(query="&resourceVersion=7")

            assert rule.hits == 2
            assert ended == [("", "")] * 2
            assert anew.next()[0] == "BOOKMARK"
            assert all(b'"type":"ERROR"' in line and b'"code":410' in line for line in lines)
            assert third.silent()

    def test_events_are_late(self, world: World) -> None:
        """An event MUST arrive after the given time, in order, and each counts once."""
        watch = world.controller.watch()
        world.wait_for_watches("sandboxes")
        with world.sabotage.during("delay-watches", plural="sandboxes", seconds=0.3) as rule:
            begun = time.monotonic()
            world.put(sandbox("one"))
            world.put(sandbox("two"))
            seen = [watch.next(), watch.next()]

            assert time.monotonic() - begun >= 0.3
            assert rule.hits == 2
        assert seen == [("ADDED", "one"), ("ADDED", "two")]

    def test_the_end_of_the_rule_lets_events_go(self, world: World) -> None:
        """Events that are held back MUST be delivered when the rule ends, before later ones."""
        watch = world.controller.watch()
        world.wait_for_watches("sandboxes")
        rule = world.sabotage.rule("delay-watches", seconds=600)
        world.put(sandbox("one"))
        eventually(lambda: rule.hits == 1)
        was_silent = watch.silent()

        rule.remove()
        world.put(sandbox("two"))

        assert was_silent
        assert [watch.next(), watch.next()] == [("ADDED", "one"), ("ADDED", "two")]

    def test_other_watches_are_in_time(self, world: World) -> None:
        """Watches of other resources MUST NOT be late, nor count."""
        watch = world.controller.watch()
        world.wait_for_watches("sandboxes")
        with world.sabotage.during("delay-watches", plural="sandboxclaims", seconds=600) as rule:
            world.put(sandbox())

            assert watch.next() == ("ADDED", "one")
            assert rule.hits == 0

    def test_a_watch_is_closed_while_events_are_held_back(self, world: World) -> None:
        """Closing MUST NOT wait for events that are held back: the controller gets them when it resumes."""
        watch = world.controller.watch()
        world.wait_for_watches("sandboxes")
        with world.sabotage.during("delay-watches", seconds=600) as late:
            world.put(sandbox())
            eventually(lambda: late.hits == 1)
            with world.sabotage.during("close-watches"):
                assert watch.next() == ("", "")
