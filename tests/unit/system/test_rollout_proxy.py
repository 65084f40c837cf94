"""The proxy in front of ate-api, against a server whose answers are known."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import pytest
from grpc_reflection.v1alpha import reflection

from fixtures.system.rollout.ateapi import actor_of
from fixtures.system.rollout.events import Call
from fixtures.system.rollout.rpcproxy import Fault, RpcProxy
from reference.rollout.ateapi import SERVICE, Api, Shape
from reference.rollout.reflection import ReflectedService


class Server:
    """Knows every actor whose name begins with "asr", and counts what reaches it."""

    def __init__(self, shape: Shape) -> None:
        self.api = Api(shape)
        self.reached: list[str] = []
        self.grpc = grpc.server(ThreadPoolExecutor(8), options=(("grpc.so_reuseport", 0),))
        methods = {
            name: grpc.unary_unary_rpc_method_handler(
                self._answer(name),
                request_deserializer=self.api.message(f"{name}Request").FromString,
                response_serializer=lambda message: message.SerializeToString(),
            )
            for name in ("GetActor", "DeleteActor", "SuspendActor")
        }
        self.grpc.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, methods),))
        reflection.enable_server_reflection((SERVICE,), self.grpc, self.api.pool)
        self.address = f"127.0.0.1:{self.grpc.add_insecure_port('127.0.0.1:0')}"
        self.grpc.start()

    def _answer(self, method: str) -> Any:
        def answer(request: Any, context: grpc.ServicerContext) -> Any:
            self.reached.append(method)
            flat = self.api.shape is Shape.FLAT
            actor = request.actor_id if flat else request.actor.name
            context.set_trailing_metadata((("x-server-elapsed-us", "7"),))
            if not actor.startswith("asr"):
                context.abort(grpc.StatusCode.NOT_FOUND, f"Actor {actor} not found")
            reply: Any = self.api.message(self.api.service.methods_by_name[method].output_type.name)()
            if flat and method != "DeleteActor":
                reply.actor.actor_id = actor
                reply.actor.status = 4
            if not flat:
                # Some replies hold the actor, some are the actor.
                found = reply.actor if method == "SuspendActor" else reply
                found.metadata.name = actor
                found.status = 4
            return reply

        return answer


@pytest.fixture(params=list(Shape))
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """A server of either shape."""
    found = Server(request.param)
    yield found
    found.grpc.stop(0).wait(5)


@pytest.fixture
def recorded() -> list[Call]:
    """What the proxy has recorded."""
    return []


@pytest.fixture
def proxy(server: Server, recorded: list[Call]) -> Iterator[RpcProxy]:
    """A proxy with two callers."""
    found = RpcProxy(server.address, ("controller", "gateway"), recorded.append)
    yield found
    found.close()


class Client:
    """One caller."""

    def __init__(self, proxy: RpcProxy, source: str, server: Server) -> None:
        self._service = ReflectedService.connect(proxy.addresses[source])
        self._flat = server.api.shape is Shape.FLAT

    def call(self, method: str, actor: str, timeout: float = 5) -> Any:
        named = {"actor_id": actor} if self._flat else {"actor": {"atespace": "ns", "name": actor}}
        return self._service.timed_call(method, named, timeout=timeout)

    def close(self) -> None:
        self._service.close()


@pytest.fixture
def controller(proxy: RpcProxy, server: Server) -> Iterator[Client]:
    """The caller that the proxy knows as the controller."""
    found = Client(proxy, "controller", server)
    yield found
    found.close()


def test_call_passes_through_and_is_recorded_twice(controller: Client, recorded: list[Call]) -> None:
    """A call MUST reach the server as it is, trailer included, and be recorded at its beginning and end."""
    reply = controller.call("GetActor", "asr-1")

    assert actor_of(reply.reply).id == "asr-1"
    assert reply.server_elapsed_us == 7
    begun, ended = recorded
    assert (begun.source, begun.method, begun.actor, begun.code) == ("controller", "GetActor", "asr-1", "")
    assert (ended.code, ended.acted, ended.injected) == ("OK", True, False)
    assert (begun.in_server, ended.in_server) == (None, 7e-6)
    assert actor_of(ended.reply).state == "SUSPENDED"
    assert begun.began <= ended.ended


def test_error_of_the_server_passes_through(controller: Client, recorded: list[Call]) -> None:
    """Code and text of an error MUST be those of the server."""
    with pytest.raises(grpc.RpcError) as caught:
        controller.call("GetActor", "nobody")

    assert caught.value.code() is grpc.StatusCode.NOT_FOUND
    assert caught.value.details() == "Actor nobody not found"
    assert (recorded[-1].code, recorded[-1].text) == ("NOT_FOUND", "Actor nobody not found")
    assert not recorded[-1].acted


def test_failing_call_does_not_reach_the_server(
    proxy: RpcProxy, controller: Client, server: Server, recorded: list[Call]
) -> None:
    """`fail` MUST answer in the place of the server, for the calls it is meant for and no others."""
    fault = Fault("fail", "DeleteActor", "controller", times=1, code="ABORTED")
    with proxy.during(fault):
        controller.call("GetActor", "asr-1")
        with pytest.raises(grpc.RpcError) as caught:
            controller.call("DeleteActor", "asr-1")
        controller.call("DeleteActor", "asr-1")

    assert caught.value.code() is grpc.StatusCode.ABORTED
    assert server.reached == ["GetActor", "DeleteActor"]
    assert [(c.code, c.injected, c.acted) for c in recorded if c.method == "DeleteActor" and c.code] == [
        ("ABORTED", True, False),
        ("OK", False, True),
    ]
    assert fault.hits == 1


def test_lost_answer_is_of_a_call_that_was_obeyed(
    proxy: RpcProxy, controller: Client, server: Server, recorded: list[Call]
) -> None:
    """`lose` MUST let the server act, and tell the caller that it failed."""
    with proxy.during(Fault("lose", "DeleteActor")), pytest.raises(grpc.RpcError):
        controller.call("DeleteActor", "asr-1")

    assert server.reached == ["DeleteActor"]
    assert (recorded[-1].code, recorded[-1].acted, recorded[-1].injected) == ("UNAVAILABLE", True, True)


def test_held_call_goes_on_when_it_is_released(proxy: RpcProxy, controller: Client, server: Server) -> None:
    """`hold` MUST keep a call from the server until it is released."""
    fault = proxy.add(Fault("hold", "SuspendActor"))
    answers: list[Any] = []
    caller = threading.Thread(target=lambda: answers.append(controller.call("SuspendActor", "asr-1")))
    caller.start()
    assert fault.struck.wait(5)
    assert server.reached == []

    proxy.lift(fault)
    caller.join(5)

    assert len(answers) == 1
    assert server.reached == ["SuspendActor"]


def test_fault_strikes_from_the_nth_call_on(proxy: RpcProxy, controller: Client) -> None:
    """`first` MUST let the calls before pass, `about` those about other actors."""
    outcomes = []
    fault = Fault("fail", "GetActor", about=lambda actor: actor == "asr-1", first=2, times=1)
    with proxy.during(fault):
        for actor in ("asr-2", "asr-1", "asr-2", "asr-1", "asr-1"):
            try:
                controller.call("GetActor", actor)
                outcomes.append("ok")
            except grpc.RpcError:
                outcomes.append("failed")

    assert outcomes == ["ok", "ok", "ok", "failed", "ok"]


def test_callers_are_told_apart(proxy: RpcProxy, server: Server, recorded: list[Call]) -> None:
    """Each program MUST be recorded under its own name."""
    gateway = Client(proxy, "gateway", server)
    gateway.call("GetActor", "asr-1")
    gateway.close()

    assert {call.source for call in recorded} == {"gateway"}


def test_caller_that_hangs_up_ends_the_call(
    proxy: RpcProxy, controller: Client, recorded: list[Call]
) -> None:
    """A call whose caller gives up MUST be recorded as ended."""
    with proxy.during(Fault("delay", "GetActor", seconds=0.5)), pytest.raises(grpc.RpcError) as caught:
        controller.call("GetActor", "asr-1", timeout=0.2)

    assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
