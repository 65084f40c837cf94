"""Without rules the proxy changes nothing, but that replies are JSON."""

from __future__ import annotations

import pytest

from fixtures.kube.kinds import CLAIM, POD, SANDBOX
from tests.unit.sabotage.conftest import HERE, Hits, World, sandbox

PROTOBUF = "application/vnd.kubernetes.protobuf"


def test_requests_arrive_as_they_were_sent(world: World) -> None:
    """Method, path, query, headers and body MUST arrive, with the proxy's own credentials."""
    body = b"k8s\x00\x0a\xff protobuf"
    path = POD.path(HERE)

    world.controller.send(
        "POST", f"{path}?fieldManager=a%2Fb&x=1", raw=body, Content_Type=PROTOBUF, Accept="application/json"
    )

    (asked,) = world.server.asked
    assert (asked.method, asked.path, asked.query) == ("POST", path, {"fieldManager": "a/b", "x": "1"})
    assert asked.body == body
    assert asked.headers["Content-Type"] == PROTOBUF
    assert asked.headers["User-Agent"] == "controller"
    assert asked.headers["Authorization"] == "Bearer secret"


@pytest.mark.parametrize(
    ("wish", "asked_for"),
    [
        (f"{PROTOBUF},application/json", "application/json"),
        (f"{PROTOBUF};type=watch", "application/json;type=watch"),
        (
            f"{PROTOBUF};as=PartialObjectMetadataList;g=meta.k8s.io;v=v1, application/json",
            "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1, application/json",
        ),
        ("*/*", "*/*"),
    ],
)
def test_replies_are_asked_for_in_json(world: World, wish: str, asked_for: str) -> None:
    """Protobuf MUST be replaced in what the controller would like to read, and nothing else."""
    world.controller.send("GET", CLAIM.path(), Accept=wish)

    assert world.server.asked[0].headers["Accept"] == asked_for


def test_large_lists_arrive_readable(world: World) -> None:
    """The API server MUST NOT be asked for compressed replies, whatever the controller takes."""
    world.put(sandbox())

    reply = world.controller.send("GET", SANDBOX.path(), Accept_Encoding="gzip")

    assert reply.json["items"][0]["metadata"]["name"] == "one"
    assert "Accept-Encoding" not in world.server.asked[0].headers


def test_answers_come_back_as_they_are(world: World) -> None:
    """Status, headers and body of an answer MUST reach the controller, also of what is no resource."""
    missing = world.controller.get("nobody")
    text = world.controller.send("GET", "/version")

    assert (missing.status, missing.json["reason"]) == (404, "NotFound")
    assert (text.status, text.body) == (200, b"GET /version")
    assert text.headers["Warning"] == "299 - old"


def test_a_refused_watch_is_refused(world: World) -> None:
    """A watch that the API server refuses MUST be answered with its refusal."""
    refused = world.controller.watch(query="&resourceVersion=1")

    assert refused.reply.status == 403


def test_events_pass_one_by_one(world: World) -> None:
    """Each event of a watch MUST arrive when it happens, not with the next ones."""
    watch = world.controller.watch()
    world.wait_for_watches("sandboxes")
    seen = []
    for change in (world.put, world.put, world.remove):
        change(sandbox())
        seen.append(watch.next())

    assert seen == [("ADDED", "one"), ("MODIFIED", "one"), ("DELETED", "one")]


def test_lines_pass_whole_however_they_are_cut(world: World) -> None:
    """Bytes of a watch MUST pass as they are, also where a chunk ends within a line or holds several."""
    watch = world.controller.watch()
    world.wait_for_watches("sandboxes")
    first, rest = b'{"type": "ADD', b'ED",  "object":{}}\n{"type":"x","object":{}}\n'

    world.run(world.server.say("sandboxes", first, rest))

    assert watch.reply.readline() == b'{"type": "ADDED",  "object":{}}\n'
    assert watch.reply.readline() == b'{"type":"x","object":{}}\n'


def test_the_end_of_a_watch_is_its_end(world: World) -> None:
    """A watch that the API server ends MUST end for the controller, without a failure."""
    hits = Hits(world)
    watch = world.controller.watch()
    world.wait_for_watches("sandboxes")

    world.run(world.server.end_watches())

    assert watch.next() == ("", "")
    assert hits.nothing()


def test_a_watch_ends_with_its_controller(world: World) -> None:
    """A watch MUST be closed at the API server when the controller has gone away."""
    watch = world.controller.watch()
    world.wait_for_watches("sandboxes")

    watch.close()

    world.wait_for_watches()


def test_the_end_of_the_proxy_waits_for_nobody(world: World) -> None:
    """A proxy that is to end MUST end its watches in order, and wait for none of them."""
    hits = Hits(world)
    watch = world.controller.watch()
    world.wait_for_watches("sandboxes")

    world.stop()

    assert watch.next() == ("", "")
    assert hits.next() == ("", "")


class TestUpstreamLost:
    """The API server goes away."""

    def test_requests_are_answered_with_502(self, world: World) -> None:
        """A request that cannot be passed on MUST get a 502 that says so, and be a hit everywhere."""
        hits = Hits(world)
        world.run(world.server.stop())

        reply = world.controller.get()
        watch = world.controller.watch()

        assert (reply.status, watch.reply.status) == (502, 502)
        assert reply.json["message"].startswith("the sabotage proxy cannot reach the API server: get sandb")
        assert [hits.next()[0], hits.next()[0]] == ["upstream-lost", "upstream-lost"]

    def test_a_watch_that_breaks_off_is_a_hit(self, world: World) -> None:
        """A watch that breaks off MUST end for the controller, and be a hit everywhere."""
        hits = Hits(world)
        watch = world.controller.watch()
        world.wait_for_watches("sandboxes")

        world.run(world.server.stop())

        assert watch.next() == ("", "")
        assert hits.next()[0] == "upstream-lost"
