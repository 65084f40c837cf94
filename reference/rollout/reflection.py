"""A gRPC client without stubs: messages and methods are asked of the server (gRPC server reflection).

    ateapi = ReflectedService.connect("127.0.0.1:9000")
    actor = ateapi.call("GetActor", {"actor_id": "asr-1"}, timeout=30)["actor"]

Requests and replies are plain dictionaries: enum values by name, integers as int, absent messages left out,
all other fields present. The server need not be up when a client is made; what it serves is asked once, with
the first call, and then kept. `ReflectedService` may be used by several threads, `AsyncReflectedService` on
an event loop.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Self, TypeAlias

import grpc
import grpc.aio
from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory
from google.protobuf.descriptor import Descriptor, MethodDescriptor, ServiceDescriptor
from google.protobuf.message import Message
from grpc_reflection.v1alpha import reflection_pb2

SERVICE: Final = "ateapi.Control"
#: Served by every gRPC implementation; v1 has the same messages under another name, but not everywhere.
REFLECTION_METHOD: Final = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"
#: Trailer of every reply: microseconds spent in the server, as decimal text.
ELAPSED_TRAILER: Final = "x-server-elapsed-us"

Request: TypeAlias = Mapping[str, Any]
Reply: TypeAlias = dict[str, Any]


class ReflectionError(Exception):
    """The server answered, but does not describe the service, the method or the message asked for."""


@dataclass(frozen=True)
class TimedReply:
    """A reply and what the server says of the call."""

    reply: Reply
    #: Microseconds spent in the server (trailer `x-server-elapsed-us`), if it says so.
    server_elapsed_us: int | None


class Schema:
    """What a server says of one service: its methods and all messages they use. Pure."""

    def __init__(self, service: ServiceDescriptor) -> None:
        self._service = service
        self.methods: tuple[str, ...] = tuple(sorted(method.name for method in service.methods))

    @classmethod
    def of(cls, files: Iterable[bytes], service: str) -> Self:
        """From serialized FileDescriptorProtos in any order. Raises ReflectionError if one is missing."""
        protos = {proto.name: proto for proto in map(descriptor_pb2.FileDescriptorProto.FromString, files)}
        pool = descriptor_pool.DescriptorPool()
        try:
            for proto in _dependencies_first(protos):
                pool.Add(proto)
            return cls(pool.FindServiceByName(service))
        except (KeyError, TypeError) as err:
            raise ReflectionError(f"what the server says of {service} is not complete: {err}") from err

    def method(self, name: str) -> MethodDescriptor:
        """A method of the service. Raises ReflectionError naming those there are."""
        method = self._service.methods_by_name.get(name)
        if method is None:
            raise ReflectionError(
                f"{self._service.full_name} has no method {name!r}, but {', '.join(self.methods)}"
            )
        return method

    def fields(self, message: str) -> tuple[str, ...]:
        """The fields of a message by short name ("GetActorRequest"), by number. Raises ReflectionError."""
        full = f"{self._service.file.package}.{message}" if self._service.file.package else message
        try:
            found: Descriptor = self._service.file.pool.FindMessageTypeByName(full)
        except KeyError as err:
            raise ReflectionError(f"the server knows no message {full!r}") from err
        return tuple(field.name for field in sorted(found.fields, key=lambda field: field.number))

    def path(self, method: str) -> str:
        """The HTTP path of a method."""
        return f"/{self._service.full_name}/{self.method(method).name}"

    def encode(self, method: str, request: Request) -> bytes:
        """A request on the wire. Raises json_format.ParseError for a field the server does not know."""
        message = message_factory.GetMessageClass(self.method(method).input_type)()
        return json_format.ParseDict(dict(request), message).SerializeToString()

    def decode(self, method: str, data: bytes) -> Reply:
        """A reply from the wire."""
        message = message_factory.GetMessageClass(self.method(method).output_type).FromString(data)
        return as_dict(message)


def as_dict(message: Message) -> dict[str, Any]:
    """A message as a dictionary: enum values by name, absent messages left out, all else present."""
    return {
        field.name: _value(field, getattr(message, field.name))
        for field in message.DESCRIPTOR.fields
        if not field.has_presence or message.HasField(field.name)
    }


def _value(field: Any, value: Any) -> Any:
    entry = field.message_type
    if entry is not None and entry.GetOptions().map_entry:
        return {key: _single(entry.fields_by_name["value"], value[key]) for key in sorted(value)}
    if field.is_repeated:
        return [_single(field, item) for item in value]
    return _single(field, value)


def _single(field: Any, value: Any) -> Any:
    if field.enum_type is not None:
        known = field.enum_type.values_by_number.get(value)
        return known.name if known is not None else value
    return as_dict(value) if field.message_type is not None else value


def _dependencies_first(
    protos: Mapping[str, descriptor_pb2.FileDescriptorProto],
) -> Iterable[descriptor_pb2.FileDescriptorProto]:
    """Files in an order in which a pool takes them. Raises KeyError for one that is missing."""
    done: set[str] = set()

    def visit(name: str) -> Iterable[descriptor_pb2.FileDescriptorProto]:
        if name not in done:
            done.add(name)
            for dependency in protos[name].dependency:
                yield from visit(dependency)
            yield protos[name]

    for name in sorted(protos):
        yield from visit(name)


class _Files:
    """The files that one service needs, from reflection answers, and which to ask for next."""

    def __init__(self, service: str) -> None:
        self._service = service
        self._files: dict[str, bytes] = {}
        self._missing: set[str] = set()

    def next_request(self) -> reflection_pb2.ServerReflectionRequest | None:
        if not self._files:
            return reflection_pb2.ServerReflectionRequest(file_containing_symbol=self._service)
        if self._missing:
            return reflection_pb2.ServerReflectionRequest(file_by_filename=min(self._missing))
        return None

    def add(self, response: reflection_pb2.ServerReflectionResponse) -> None:
        if not response.HasField("file_descriptor_response"):
            raise ReflectionError(
                f"no description of {self._service}: {response.error_response.error_message}"
            )
        received = response.file_descriptor_response.file_descriptor_proto
        if not received:
            raise ReflectionError(f"an empty description of {self._service}")
        for data in received:
            self._files[descriptor_pb2.FileDescriptorProto.FromString(data).name] = data
        needed = {
            name
            for data in self._files.values()
            for name in descriptor_pb2.FileDescriptorProto.FromString(data).dependency
        }
        self._missing = needed - set(self._files)

    def schema(self) -> Schema:
        return Schema.of(self._files.values(), self._service)


def _elapsed(metadata: Iterable[tuple[str, str | bytes]] | None) -> int | None:
    for key, value in metadata or ():
        if key == ELAPSED_TRAILER:
            return int(value)
    return None


def _serialize(request: reflection_pb2.ServerReflectionRequest) -> bytes:
    return request.SerializeToString()


class ReflectedService:
    """One service of one server, for threads."""

    def __init__(self, channel: grpc.Channel, service: str) -> None:
        self._channel = channel
        self._service = service
        self._schema: Schema | None = None
        self._lock = threading.Lock()

    @classmethod
    def connect(
        cls, target: str, service: str = SERVICE, *, credentials: grpc.ChannelCredentials | None = None
    ) -> Self:
        """A client for `host:port`, in plain text unless credentials are given. Sends nothing yet."""
        if credentials is None:
            return cls(grpc.insecure_channel(target, _OPTIONS), service)
        return cls(grpc.secure_channel(target, credentials, _OPTIONS), service)

    def call(self, method: str, request: Request, *, timeout: float) -> Reply:
        """One unary call; `timeout` in seconds, for reflection too. Raises grpc.RpcError, ReflectionError."""
        return self.timed_call(method, request, timeout=timeout).reply

    def timed_call(self, method: str, request: Request, *, timeout: float) -> TimedReply:
        """As `call`, with what the server says of its own time."""
        schema = self.schema(timeout=timeout)
        call: grpc.UnaryUnaryMultiCallable[bytes, bytes] = self._channel.unary_unary(schema.path(method))
        data, done = call.with_call(schema.encode(method, request), timeout=timeout)
        return TimedReply(schema.decode(method, data), _elapsed(done.trailing_metadata()))

    def schema(self, *, timeout: float = 10) -> Schema:
        """What the server serves: asked once. Raises grpc.RpcError, ReflectionError."""
        with self._lock:
            if self._schema is None:
                self._schema = self._ask(timeout)
            return self._schema

    @property
    def methods(self) -> tuple[str, ...]:
        """The names of the service's methods, sorted."""
        return self.schema().methods

    def fields(self, message: str) -> tuple[str, ...]:
        """The names of a message's fields, by number."""
        return self.schema().fields(message)

    def close(self) -> None:
        """Close the connection; calls under way end with CANCELLED."""
        self._channel.close()

    def _ask(self, timeout: float) -> Schema:
        ask = self._channel.stream_stream(
            REFLECTION_METHOD, _serialize, reflection_pb2.ServerReflectionResponse.FromString
        )
        files = _Files(self._service)
        while (request := files.next_request()) is not None:
            for response in ask(iter([request]), timeout=timeout):
                files.add(response)
        return files.schema()


class AsyncReflectedService:
    """One service of one server, for one event loop."""

    def __init__(self, channel: grpc.aio.Channel, service: str) -> None:
        self._channel = channel
        self._service = service
        self._schema: Schema | None = None
        self._lock = asyncio.Lock()

    @classmethod
    def connect(
        cls, target: str, service: str = SERVICE, *, credentials: grpc.ChannelCredentials | None = None
    ) -> Self:
        """A client for `host:port`, in plain text unless credentials are given. Sends nothing yet."""
        if credentials is None:
            return cls(grpc.aio.insecure_channel(target, _OPTIONS), service)
        return cls(grpc.aio.secure_channel(target, credentials, _OPTIONS), service)

    async def call(self, method: str, request: Request, *, timeout: float) -> Reply:
        """One unary call; `timeout` in seconds, for reflection too. Raises grpc.RpcError, ReflectionError."""
        return (await self.timed_call(method, request, timeout=timeout)).reply

    async def timed_call(self, method: str, request: Request, *, timeout: float) -> TimedReply:
        """As `call`, with what the server says of its own time."""
        schema = await self.schema(timeout=timeout)
        ask: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = self._channel.unary_unary(schema.path(method))
        call = ask(schema.encode(method, request), timeout=timeout)
        data = await call
        return TimedReply(schema.decode(method, data), _elapsed(await call.trailing_metadata()))

    async def schema(self, *, timeout: float = 10) -> Schema:
        """What the server serves: asked once. Raises grpc.RpcError, ReflectionError."""
        async with self._lock:
            if self._schema is None:
                self._schema = await self._ask(timeout)
            return self._schema

    async def close(self) -> None:
        """Close the connection; calls under way end with CANCELLED."""
        await self._channel.close()

    async def _ask(self, timeout: float) -> Schema:
        ask = self._channel.stream_stream(
            REFLECTION_METHOD, _serialize, reflection_pb2.ServerReflectionResponse.FromString
        )
        files = _Files(self._service)
        while (request := files.next_request()) is not None:
            async for response in ask(_once(request), timeout=timeout):
                files.add(response)
        return files.schema()


async def _once(request: reflection_pb2.ServerReflectionRequest) -> AsyncIterator[Any]:
    yield request


#: A server that comes back after a restart is found within a second, not after gRPC's backoff of up to 2 min.
_OPTIONS: Final = (
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
    # Addresses are loopback or given by the caller: never through a proxy of the environment.
    ("grpc.enable_http_proxy", 0),
)
