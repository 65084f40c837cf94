"""The client by server reflection, against a real server with the descriptors of `ateapi`."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import grpc
import pytest
import tenacity
from google.protobuf.json_format import ParseError
from grpc_reflection.v1alpha import reflection

from fixtures.processes import free_port
from reference.rollout.ateapi import Api, Shape, Status, methods
from reference.rollout.reflection import (
    ELAPSED_TRAILER,
    SERVICE,
    AsyncReflectedService,
    ReflectedService,
    ReflectionError,
)

ACTOR = {
    "actor_id": "asr-1",
    "version": 2**40,
    "actor_template_namespace": "",
    "actor_template_name": "",
    "status": "STATUS_PAUSED",
    "ateom_pod_namespace": "",
    "ateom_pod_name": "",
    "ateom_pod_ip": "",
    "last_snapshot": "gs://s",
    "in_progress_snapshot": "",
    "ateom_pod_uid": "",
    "worker_selector": {"match_labels": {"a": "1", "b": "2"}},
    "worker_pool_name": "",
}


@contextmanager
def served(shape: Shape = Shape.FLAT, port: int = 0) -> Iterator[str]:
    """A server that knows one actor and has one method; its address."""
    api = Api(shape)

    def get_actor(request: Any, context: grpc.ServicerContext) -> Any:
        context.set_trailing_metadata(((ELAPSED_TRAILER, "1500"),))
        if shape is Shape.FLAT and request.actor_id != "asr-1":
            context.abort(grpc.StatusCode.NOT_FOUND, f"Actor {request.actor_id} not found")
        if shape is Shape.ATESPACES:
            return api.message("Actor")(metadata={"name": request.actor.name})
        return api.message("GetActorResponse")(actor=api.message("Actor")(**ACTOR))

    handler = grpc.unary_unary_rpc_method_handler(
        get_actor, api.message("GetActorRequest").FromString, lambda message: message.SerializeToString()
    )
    server = grpc.server(ThreadPoolExecutor(2))
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, {"GetActor": handler}),))
    reflection.enable_server_reflection((SERVICE,), server, pool=api.pool)
    bound = server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    try:
        yield f"127.0.0.1:{bound}"
    finally:
        server.stop(grace=None).wait()


@contextmanager
def client_of(target: str) -> Iterator[ReflectedService]:
    """A client that is closed afterwards."""
    client = ReflectedService.connect(target)
    try:
        yield client
    finally:
        client.close()


def test_a_reply_is_a_plain_dictionary() -> None:
    """Enum values MUST come by name, integers as int, absent fields with their default."""
    with served() as target, client_of(target) as client:
        timed = client.timed_call("GetActor", {"actor_id": "asr-1"}, timeout=5)
    assert timed.reply == {"actor": ACTOR}
    assert timed.server_elapsed_us == 1500


def test_asyncio_gets_the_same() -> None:
    """Both flavours MUST agree."""

    async def test(target: str) -> dict[str, Any]:
        client = AsyncReflectedService.connect(target)
        try:
            timed = await client.timed_call("GetActor", {"actor_id": "asr-1"}, timeout=5)
            assert timed.server_elapsed_us == 1500
            with pytest.raises(grpc.RpcError, match="Actor x not found"):
                await client.call("GetActor", {"actor_id": "x"}, timeout=5)
            return timed.reply
        finally:
            await client.close()

    with served() as target:
        assert asyncio.run(test(target)) == {"actor": ACTOR}


def test_the_shape_is_seen_by_reflection() -> None:
    """The fields of a request MUST tell the two shapes of the service apart."""
    for shape, fields in ((Shape.FLAT, ("actor_id",)), (Shape.ATESPACES, ("actor",))):
        with served(shape) as target, client_of(target) as client:
            assert client.fields("GetActorRequest") == fields
            assert client.methods == tuple(methods(shape))
            assert ("CreateAtespace" in client.methods) == (shape is Shape.ATESPACES)


def test_errors_are_those_of_grpc_or_say_what_is_missing() -> None:
    """Codes and texts MUST come through; what the server does not describe MUST be named."""
    with served() as target, client_of(target) as client:
        with pytest.raises(grpc.RpcError) as refused:
            client.call("GetActor", {"actor_id": "x"}, timeout=5)
        assert refused.value.code() is grpc.StatusCode.NOT_FOUND
        assert refused.value.details() == "Actor x not found"
        with pytest.raises(ReflectionError, match="no method 'GetActors', but CreateActor, DeleteActor"):
            client.call("GetActors", {}, timeout=5)
        with pytest.raises(ReflectionError, match="no message 'ateapi.Actors'"):
            client.fields("Actors")
        with pytest.raises(ParseError):
            client.call("GetActor", {"actor": "x"}, timeout=5)
        other = ReflectedService.connect(target, "other.Service")
        with pytest.raises(ReflectionError, match="no description of other.Service"):
            other.call("Method", {}, timeout=5)
        other.close()


def is_unavailable(err: BaseException) -> bool:
    """Whether a call has found no server."""
    return isinstance(err, grpc.RpcError) and err.code() is grpc.StatusCode.UNAVAILABLE


def test_a_server_may_come_later_and_come_back() -> None:
    """A client MUST be made without a server, and find one that comes, or comes back."""
    port = free_port()
    with client_of(f"127.0.0.1:{port}") as client:
        with pytest.raises(grpc.RpcError):
            client.call("GetActor", {"actor_id": "asr-1"}, timeout=0.5)
        for _ in range(2):
            with served(port=port):
                # Right after a connection was refused calls fail at once, until it is tried again.
                retry = tenacity.Retrying(
                    stop=tenacity.stop_after_delay(20),
                    wait=tenacity.wait_fixed(0.05),
                    retry=tenacity.retry_if_exception(is_unavailable),
                    reraise=True,
                )
                reply = retry(client.call, "GetActor", {"actor_id": "asr-1"}, timeout=5)
                assert reply == {"actor": ACTOR}


def test_numbers_are_those_of_the_service() -> None:
    """Field and enum numbers MUST be upstream's: bytes written by hand MUST read as what they mean."""
    data = bytes(
        [0x0A, 1, 0x61, 0x10, 7, 0x1A, 1, 0x6E, 0x22, 1, 0x74, 0x28, 2, 0x3A, 1, 0x70, 0x4A, 1, 0x73]
    )
    actor: Any = Api(Shape.FLAT).message("Actor").FromString(data)
    assert (actor.actor_id, actor.version, actor.status) == ("a", 7, Status.RUNNING)
    assert (actor.actor_template_namespace, actor.actor_template_name) == ("n", "t")
    assert (actor.ateom_pod_name, actor.last_snapshot) == ("p", "s")
    worker: Any = Api(Shape.FLAT).message("Worker").FromString(bytes([0x1A, 1, 0x70, 0x32, 1, 0x61]))
    assert (worker.worker_pod, worker.actor_id) == ("p", "a")
    assert [(str(status), int(status)) for status in Status][-1] == ("STATUS_PAUSED", 6)
