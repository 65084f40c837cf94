"""The runtime's side of the injection: what leads to a session, and what must not."""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from reference.snapstart.inject.frames import Decoder, encode
from reference.snapstart.inject.machine import Conversation, RuntimeSide, State
from reference.snapstart.inject.messages import RejectedError, RejectReason, Task

PREPARE = {"type": "PREPARE", "task_id": "ns/pod", "context": "token", "env_overrides": {"A": "1"}}
COMMIT = {"type": "COMMIT"}
CANCEL = {"type": "CANCEL", "reason": "gone"}


@dataclass
class Instance:
    """What is injected; it notes what it is told to do."""

    full: bool = False
    calls: list[str] = field(default_factory=list)
    task: Task | None = None

    def prepare(self, task: Task) -> None:
        """Hold a task."""
        if self.full:
            raise RejectedError(RejectReason.RESOURCE_EXHAUSTED, "no address is left")
        self.calls.append("prepare")
        self.task = task

    def release(self) -> None:
        """Let go of it."""
        self.calls.append("release")
        self.task = None

    def commit(self) -> None:
        """Start."""
        assert self.task is not None
        self.calls.append("commit")


class Client:
    """A connection to an instance."""

    def __init__(self, side: RuntimeSide) -> None:
        self.side = side
        self.conversation: Conversation = side.connect()
        self.open = True
        self._decoder = Decoder()
        self.said = self._types(self.conversation.greeting())

    def send(self, *bodies: dict[str, Any], raw: bytes = b"") -> list[str]:
        """Send messages, or bytes; the types of what is answered."""
        answer = self.conversation.receive(b"".join(encode(body) for body in bodies) + raw)
        if answer.close:
            self.close()
        return self._types(answer.data)

    def close(self) -> None:
        """Hang up."""
        self.open = False
        self.conversation.closed()

    def _types(self, data: bytes) -> list[str]:
        self.last = list(self._decoder.feed(data))
        return [body["type"] for body in self.last]


def waiting(**options: Any) -> RuntimeSide:
    """An instance at its safe point."""
    return RuntimeSide(Instance(**options))


def calls(side: RuntimeSide) -> list[str]:
    """What the instance was told to do."""
    assert isinstance(side.injectable, Instance)
    return side.injectable.calls


def test_the_way_to_a_session() -> None:
    """Each message MUST be answered with the next, and the task MUST arrive whole."""
    side = waiting()
    host = Client(side)
    assert host.said == ["CAPABILITIES"]
    assert host.last == [
        {
            "type": "CAPABILITIES",
            "protocol_version": "1",
            "supported_features": ["prepare", "commit", "cancel"],
        }
    ]
    assert (host.send(PREPARE), side.state) == (["READY"], State.HOLDING)
    assert (host.send(COMMIT), side.state, host.open) == (["STARTED"], State.STARTED, False)
    assert calls(side) == ["prepare", "commit"]
    assert isinstance(side.injectable, Instance)
    assert side.injectable.task == Task("ns/pod", "token", {"A": "1"})


def test_messages_in_one_piece_are_taken_one_by_one() -> None:
    """A host that does not wait for READY MUST get both answers."""
    assert Client(waiting()).send(PREPARE, COMMIT) == ["READY", "STARTED"]


def test_probes_change_nothing() -> None:
    """Connections that only read CAPABILITIES MUST leave the instance as it was, however many."""
    side = waiting()
    probes = [Client(side) for _ in range(50)]
    assert side.state is State.PROBED
    for probe in probes:
        probe.close()
    assert (side.state, calls(side), side.touched) == (State.READY, [], False)
    assert Client(side).send(PREPARE, COMMIT) == ["READY", "STARTED"]


def test_probes_do_not_disturb_an_injection_under_way() -> None:
    """A probe between READY and COMMIT MUST NOT take what another host holds."""
    side = waiting()
    host = Client(side)
    host.send(PREPARE)
    Client(side).close()
    assert (host.send(COMMIT), calls(side)) == (["STARTED"], ["prepare", "commit"])


def test_commit_without_prepare_never_starts() -> None:
    """COMMIT without PREPARE MUST end the connection, and nothing else."""
    side = waiting()
    host = Client(side)
    assert (host.send(COMMIT), host.open) == ([], False)
    assert (side.state, calls(side)) == (State.READY, [])


def test_another_host_cannot_commit_what_one_has_prepared() -> None:
    """COMMIT MUST come from who sent PREPARE."""
    side = waiting()
    Client(side).send(PREPARE)
    stranger = Client(side)
    assert (stranger.send(COMMIT), side.state) == ([], State.HOLDING)
    assert "commit" not in calls(side)


def test_only_one_host_holds_an_instance() -> None:
    """A second PREPARE MUST be rejected while another holds, and taken when that one is gone."""
    side = waiting()
    first, second = Client(side), Client(side)
    first.send(PREPARE)
    assert second.send(PREPARE) == ["REJECT"]
    assert second.last[0]["reason"] == "resource_exhausted"
    first.close()
    assert second.send(PREPARE, COMMIT) == ["READY", "STARTED"]
    assert calls(side) == ["prepare", "release", "prepare", "commit"]


@pytest.mark.parametrize("prepared", [False, True])
def test_a_cancelled_instance_never_starts(prepared: bool) -> None:
    """After CANCEL no message of anybody MUST lead to a session."""
    side = waiting()
    host = Client(side)
    if prepared:
        host.send(PREPARE)
    assert (host.send(CANCEL, COMMIT), host.open) == (["CANCEL_ACK"], False)
    assert side.state is State.CANCELLED
    assert Client(side).send(PREPARE, COMMIT) == []
    assert "commit" not in calls(side)
    assert calls(side) == (["prepare", "release"] if prepared else [])


def test_a_cancel_needs_no_proper_reason() -> None:
    """CANCEL MUST count whatever its reason is."""
    side = waiting()
    Client(side).send({"type": "CANCEL", "reason": 7})
    assert side.state is State.CANCELLED


def test_a_host_that_goes_away_gives_the_instance_back() -> None:
    """The end of the connection before COMMIT MUST release what was prepared, and be remembered."""
    side = waiting()
    host = Client(side)
    host.send(PREPARE)
    host.close()
    assert (side.state, calls(side), side.touched) == (State.READY, ["prepare", "release"], True)


GARBAGE = {
    "oversized": struct.pack(">I", 2**32 - 1) + b"x" * 100,
    "not JSON": struct.pack(">I", 4) + b"what",
    "a list": struct.pack(">I", 2) + b"[]",
    "an unknown type": encode({"type": "COMMENCE"}),
    "no type": encode({"task_id": "a"}),
    "a type that is no string": encode({"type": ["COMMIT"]}),
    "a message of the runtime": encode({"type": "STARTED"}),
    "a field of a wrong type": encode({"type": "REJECT", "reason": 1}),
}


@pytest.mark.parametrize("prepared", [False, True])
@pytest.mark.parametrize("raw", GARBAGE.values(), ids=GARBAGE)
def test_garbage_ends_the_connection_and_nothing_else(raw: bytes, prepared: bool) -> None:
    """Bytes that are no message MUST NOT start a session, and MUST leave the instance to the next host."""
    side = waiting()
    host = Client(side)
    if prepared:
        host.send(PREPARE)
    assert (host.send(raw=raw), host.open) == ([], False)
    assert (side.state, "commit" in calls(side)) == (State.READY, False)
    assert Client(side).send(PREPARE, COMMIT) == ["READY", "STARTED"]


def test_a_truncated_message_does_nothing() -> None:
    """A frame that stops in the middle MUST leave the instance as it was when its sender hangs up."""
    side = waiting()
    host = Client(side)
    assert host.send(raw=encode(PREPARE)[:-1]) == []
    host.close()
    assert (side.state, calls(side)) == (State.READY, [])


def test_unknown_fields_are_ignored() -> None:
    """Fields that this version does not know MUST NOT matter."""
    more = {"priority": 5, "nested": {"x": []}}
    assert Client(waiting()).send(PREPARE | more, COMMIT | more) == ["READY", "STARTED"]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"task_id": ""}, "invalid_task_id"),
        ({"task_id": None}, "invalid_task_id"),
        ({"task_id": 5}, "invalid_task_id"),
        ({"task_id": "a b"}, "invalid_task_id"),
        ({"task_id": "x" * 318}, "invalid_task_id"),
        ({"context": {"token": "a"}}, "parse_error"),
        ({"env_overrides": ["A=1"]}, "parse_error"),
        ({"env_overrides": {"A": 1}}, "parse_error"),
        ({"env_overrides": {"": "1"}}, "parse_error"),
        ({"env_overrides": {"A=B": "1"}}, "parse_error"),
        ({"env_overrides": {"A": "1\0"}}, "parse_error"),
        ({"env_overrides": {"A": "\ud800"}}, "parse_error"),
    ],
)
def test_an_invalid_prepare_is_rejected_and_another_may_follow(change: dict[str, Any], reason: str) -> None:
    """An invalid PREPARE MUST be answered with REJECT and the reason, and lead nowhere."""
    side = waiting()
    host = Client(side)
    data = json.dumps(PREPARE | change).encode()
    assert host.send(raw=struct.pack(">I", len(data)) + data) == ["REJECT"]
    assert (host.last[0]["reason"], host.open, calls(side)) == (reason, True, [])
    assert host.send(PREPARE, COMMIT) == ["READY", "STARTED"]


def test_an_instance_without_room_rejects() -> None:
    """What the instance cannot get hold of MUST be a REJECT with the cause."""
    host = Client(waiting(full=True))
    assert host.send(PREPARE) == ["REJECT"]
    assert host.last[0] == {
        "type": "REJECT",
        "reason": "resource_exhausted",
        "message": "no address is left",
    }
    assert host.send(COMMIT) == []


def test_a_second_prepare_of_the_same_host_gives_up_the_first() -> None:
    """PREPARE while holding has no place: the connection MUST end, and the instance be free."""
    side = waiting()
    host = Client(side)
    host.send(PREPARE)
    assert (host.send(PREPARE), host.open, side.state) == ([], False, State.READY)


BODIES = st.sampled_from(
    [PREPARE, COMMIT, CANCEL, {"type": "READY"}, {"type": "?"}, PREPARE | {"task_id": ""}]
)


class AnyTraffic(RuleBasedStateMachine):
    """Any number of hosts that say anything in any order, at one instance."""

    @initialize()
    def start(self) -> None:
        self.side = waiting()
        self.clients: list[Client] = []
        self.started = 0
        self.cancelled = False

    @rule()
    def connect(self) -> None:
        self.clients.append(Client(self.side))

    @precondition(lambda self: any(client.open for client in self.clients))
    @rule(data=st.data(), body=BODIES)
    def send(self, data: st.DataObject, body: dict[str, Any]) -> None:
        client = data.draw(st.sampled_from([c for c in self.clients if c.open]))
        held = self.side.holder is client.conversation
        answers = client.send(body)
        if "STARTED" in answers:
            assert held and body == COMMIT and not self.cancelled
            self.started += 1
        self.cancelled |= "CANCEL_ACK" in answers

    @precondition(lambda self: any(client.open for client in self.clients))
    @rule(data=st.data())
    def hang_up(self, data: st.DataObject) -> None:
        data.draw(st.sampled_from([c for c in self.clients if c.open])).close()

    @invariant()
    def sessions_come_from_one_prepare_and_one_commit(self) -> None:
        done = calls(self.side)
        assert self.started == done.count("commit") <= 1
        assert not (self.cancelled and self.started)
        # Whatever is prepared is released or committed, never twice in a row.
        for before, after in zip(done, done[1:], strict=False):
            assert (before == "prepare") != (after == "prepare")

    @invariant()
    def the_state_is_that_of_the_connections(self) -> None:
        if self.started or self.cancelled:
            assert self.side.state is (State.STARTED if self.started else State.CANCELLED)
        elif self.side.holder is not None:
            assert self.side.state is State.HOLDING
        else:
            assert self.side.state is (State.PROBED if any(c.open for c in self.clients) else State.READY)


TestAnyTraffic = AnyTraffic.TestCase
TestAnyTraffic.settings = settings(deadline=None, database=None, max_examples=60, stateful_step_count=30)
