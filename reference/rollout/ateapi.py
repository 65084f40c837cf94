"""The messages of gRPC service `ateapi.Control`, as descriptors: nothing is generated, nothing is compiled.

Two shapes of the service are in use (rollout contract, sections 8 and 14). Names and numbers are those of
Agent Substrate's `pkg/proto/ateapipb/ateapi.proto`:

- *flat*: an actor is named by `actor_id` alone (fork kagent-dev/substrate v0.0.6). Pausing, the states
  PAUSING and PAUSED and the selector of workers, which that release lacks, have the numbers of later ones.
- *atespaces*: an actor is named by `actor_ref{atespace, name}` (agent-substrate/substrate 86e138f6).

A caller never chooses: it finds out by reflection (`reference.rollout.reflection`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import IntEnum, StrEnum
from typing import Final, TypeAlias

from google.protobuf import descriptor, descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import Message

from reference.rollout.reflection import SERVICE

PACKAGE: Final = SERVICE.partition(".")[0]

#: Name, number and type of each field. A type is a scalar, a message or enum of the package, "[X]" for
#: repeated X, or "{}" for map<string, string>.
Fields: TypeAlias = Sequence[tuple[str, int, str]]


class Shape(StrEnum):
    """How requests name an actor."""

    FLAT = "flat"
    ATESPACES = "atespaces"


class Status(IntEnum):
    """Enum Actor.Status; on the wire its values are called STATUS_X (contract section 8)."""

    UNSPECIFIED = 0
    RESUMING = 1
    RUNNING = 2
    SUSPENDING = 3
    SUSPENDED = 4
    PAUSING = 5
    PAUSED = 6

    def __str__(self) -> str:
        return f"STATUS_{self.name}"


_NAMED: Final[Mapping[Shape, Fields]] = {
    Shape.FLAT: [("actor_id", 1, "string")],
    Shape.ATESPACES: [("actor_ref", 1, "ActorRef")],
}
#: Methods whose request names an actor and nothing else, or that and one flag.
_ON_ACTOR: Final[Mapping[str, Fields]] = {
    "GetActor": [],
    "SuspendActor": [],
    "PauseActor": [],
    "ResumeActor": [("boot", 2, "bool")],
    "DeleteActor": [],
}
_ACTOR: Final[Fields] = [
    ("actor_id", 1, "string"),
    ("version", 2, "int64"),
    ("actor_template_namespace", 3, "string"),
    ("actor_template_name", 4, "string"),
    ("status", 5, "Actor.Status"),
    ("ateom_pod_namespace", 6, "string"),
    ("ateom_pod_name", 7, "string"),
    ("ateom_pod_ip", 8, "string"),
    ("in_progress_snapshot", 10, "string"),
    ("ateom_pod_uid", 11, "string"),
    ("worker_selector", 13, "Selector"),
    ("worker_pool_name", 14, "string"),
]
_WORKER: Final[Fields] = [
    ("worker_namespace", 1, "string"),
    ("worker_pool", 2, "string"),
    ("worker_pod", 3, "string"),
    ("actor_namespace", 4, "string"),
    ("actor_template", 5, "string"),
    ("actor_id", 6, "string"),
    ("ip", 7, "string"),
    ("version", 8, "int64"),
    ("worker_pod_uid", 9, "string"),
    ("node_name", 10, "string"),
]


def messages(shape: Shape) -> dict[str, Fields]:
    """The messages of a shape by name, each with its fields (name, number, type)."""
    flat = shape is Shape.FLAT
    named = list(_NAMED[shape])
    known: dict[str, Fields] = {
        "Selector": [("match_labels", 1, "{}")],
        "Actor": [*_ACTOR, ("last_snapshot", 9, "string")]
        if flat
        else [*_ACTOR, ("latest_snapshot_info", 12, "SnapshotInfo"), ("atespace", 15, "string")],
        "Worker": list(_WORKER) if flat else [*_WORKER, ("actor_atespace", 11, "string")],
        "CreateActorRequest": [
            *named,
            ("actor_template_namespace", 2, "string"),
            ("actor_template_name", 3, "string"),
            ("worker_selector", 4, "Selector"),
        ],
        "CreateActorResponse": [("actor", 1, "Actor")],
        "ListActorsRequest": [("page_size", 1, "int32"), ("page_token", 2, "string")]
        + ([] if flat else [("atespace", 3, "string")]),
        "ListActorsResponse": [("actors", 1, "[Actor]"), ("next_page_token", 2, "string")],
        "ListWorkersRequest": [],
        "ListWorkersResponse": [("workers", 1, "[Worker]")],
    }
    for method, more in _ON_ACTOR.items():
        known[f"{method}Request"] = [*named, *more]
        known[f"{method}Response"] = [] if method == "DeleteActor" else [("actor", 1, "Actor")]
    if not flat:
        known |= _ATESPACE_MESSAGES
    return known


_ATESPACE_MESSAGES: Final[Mapping[str, Fields]] = {
    "ActorRef": [("atespace", 1, "string"), ("name", 2, "string")],
    "Atespace": [("name", 1, "string")],
    "ExternalSnapshotInfo": [("snapshot_uri_prefix", 1, "string")],
    "LocalSnapshotInfo": [("snapshot_prefix", 1, "string")],
    "SnapshotInfo": [("external", 2, "ExternalSnapshotInfo"), ("local", 3, "LocalSnapshotInfo")],
    "CreateAtespaceRequest": [("name", 1, "string")],
    "CreateAtespaceResponse": [("atespace", 1, "Atespace")],
    "GetAtespaceRequest": [("name", 1, "string")],
    "GetAtespaceResponse": [("atespace", 1, "Atespace")],
    "ListAtespacesRequest": [],
    "ListAtespacesResponse": [("atespaces", 1, "[Atespace]")],
    "DeleteAtespaceRequest": [("name", 1, "string")],
    "DeleteAtespaceResponse": [],
}


def methods(shape: Shape) -> list[str]:
    """The methods of the service, sorted: one for each pair of messages XRequest and XResponse."""
    return sorted(name.removesuffix("Request") for name in messages(shape) if name.endswith("Request"))


def file_descriptor(shape: Shape) -> descriptor_pb2.FileDescriptorProto:
    """The file that declares package, messages and service of a shape."""
    file = descriptor_pb2.FileDescriptorProto(name="ateapi.proto", package=PACKAGE, syntax="proto3")
    for name, fields in sorted(messages(shape).items()):
        message = file.message_type.add(name=name)
        for field, number, kind in sorted(fields, key=lambda item: item[1]):
            _add_field(message, field, number, kind)
        if name == "Actor":
            status = message.enum_type.add(name="Status")
            for value in Status:
                status.value.add(name=str(value), number=value)
        if name == "SnapshotInfo":
            message.oneof_decl.add(name="data")
            for member in message.field:
                member.oneof_index = 0
    service = file.service.add(name=SERVICE.removeprefix(f"{PACKAGE}."))
    for method in methods(shape):
        service.method.add(
            name=method, input_type=f".{PACKAGE}.{method}Request", output_type=f".{PACKAGE}.{method}Response"
        )
    return file


_SCALARS: Final[Mapping[str, descriptor_pb2.FieldDescriptorProto.Type.ValueType]] = {
    "string": descriptor_pb2.FieldDescriptorProto.TYPE_STRING,
    "bool": descriptor_pb2.FieldDescriptorProto.TYPE_BOOL,
    "int32": descriptor_pb2.FieldDescriptorProto.TYPE_INT32,
    "int64": descriptor_pb2.FieldDescriptorProto.TYPE_INT64,
}


def _add_field(message: descriptor_pb2.DescriptorProto, name: str, number: int, kind: str) -> None:
    field = message.field.add(name=name, number=number)
    field.label = descriptor_pb2.FieldDescriptorProto.LABEL_OPTIONAL
    if kind == "{}":
        # A map is a repeated entry of its own nested type, named after the field.
        entry = "".join(part.capitalize() for part in name.split("_")) + "Entry"
        nested = message.nested_type.add(name=entry)
        nested.options.map_entry = True
        _add_field(nested, "key", 1, "string")
        _add_field(nested, "value", 2, "string")
        kind = f"[{message.name}.{entry}]"
    if kind.startswith("["):
        field.label = descriptor_pb2.FieldDescriptorProto.LABEL_REPEATED
        kind = kind[1:-1]
    if kind in _SCALARS:
        field.type = _SCALARS[kind]
        return
    field.type_name = f".{PACKAGE}.{kind}"
    field.type = (
        descriptor_pb2.FieldDescriptorProto.TYPE_ENUM
        if kind == "Actor.Status"
        else descriptor_pb2.FieldDescriptorProto.TYPE_MESSAGE
    )


class Api:
    """One shape of the service, as a server uses it: a descriptor pool and a class for every message."""

    def __init__(self, shape: Shape) -> None:
        self.shape = shape
        self.pool = descriptor_pool.DescriptorPool()
        self.pool.Add(file_descriptor(shape))

    def message(self, name: str) -> type[Message]:
        """The class of a message of the package. Raises KeyError."""
        return message_factory.GetMessageClass(self.pool.FindMessageTypeByName(f"{PACKAGE}.{name}"))

    @property
    def service(self) -> descriptor.ServiceDescriptor:
        """The service's descriptor."""
        return self.pool.FindServiceByName(SERVICE)
