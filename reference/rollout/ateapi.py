"""The messages of gRPC service `ateapi.Control`, as descriptors: nothing is generated, nothing is compiled.

Two shapes of the service are here (rollout contract, sections 8 and 14). Names and numbers are those of
`pkg/proto/ateapipb/ateapi.proto` in two releases of the fork kagent-dev/substrate:

- *flat* (v0.0.6): an actor is named by `actor_id` alone. Pausing, the states PAUSING and PAUSED and the
  selector of workers, which that release lacks, have the numbers that later ones of the same shape gave them.
- *atespaces* (v0.0.9): an actor is named by `actor{atespace, name}`, has `metadata`, and is itself the reply
  of some methods. Times and uids of the metadata are left out.

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


#: Methods of both shapes that name an actor, with what else their requests hold.
_ON_ACTOR: Final[Mapping[str, Fields]] = {
    "GetActor": [],
    "SuspendActor": [],
    "PauseActor": [],
    "ResumeActor": [("boot", 2, "bool")],
    "DeleteActor": [],
}
_LISTS: Final[Mapping[str, Fields]] = {
    "ListActorsResponse": [("actors", 1, "[Actor]"), ("next_page_token", 2, "string")],
    "ListWorkersRequest": [],
    "ListWorkersResponse": [("workers", 1, "[Worker]")],
    "Selector": [("match_labels", 1, "{}")],
}
_FLAT: Final[Mapping[str, Fields]] = {
    **_LISTS,
    **{f"{name}Request": [("actor_id", 1, "string"), *more] for name, more in _ON_ACTOR.items()},
    **{f"{name}Response": [("actor", 1, "Actor")] for name in (*_ON_ACTOR, "CreateActor")},
    "DeleteActorResponse": [],
    "CreateActorRequest": [
        ("actor_id", 1, "string"),
        ("actor_template_namespace", 2, "string"),
        ("actor_template_name", 3, "string"),
        ("worker_selector", 4, "Selector"),
    ],
    "ListActorsRequest": [("page_size", 1, "int32"), ("page_token", 2, "string")],
    "Actor": [
        ("actor_id", 1, "string"),
        ("version", 2, "int64"),
        ("actor_template_namespace", 3, "string"),
        ("actor_template_name", 4, "string"),
        ("status", 5, "Actor.Status"),
        ("ateom_pod_namespace", 6, "string"),
        ("ateom_pod_name", 7, "string"),
        ("ateom_pod_ip", 8, "string"),
        ("last_snapshot", 9, "string"),
        ("in_progress_snapshot", 10, "string"),
        ("ateom_pod_uid", 11, "string"),
        ("worker_selector", 13, "Selector"),
        ("worker_pool_name", 14, "string"),
    ],
    "Worker": [
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
    ],
}
_ATESPACES: Final[Mapping[str, Fields]] = {
    **_LISTS,
    **{f"{name}Request": [("actor", 1, "ObjectRef"), *more] for name, more in _ON_ACTOR.items()},
    **{f"{name}Response": [("actor", 1, "Actor")] for name in ("SuspendActor", "PauseActor", "ResumeActor")},
    "CreateActorRequest": [("actor", 1, "Actor")],
    "ListActorsRequest": [("page_size", 1, "int32"), ("page_token", 2, "string"), ("atespace", 3, "string")],
    "CreateAtespaceRequest": [("atespace", 1, "Atespace")],
    "GetAtespaceRequest": [("atespace", 1, "ObjectRef")],
    "DeleteAtespaceRequest": [("atespace", 1, "ObjectRef")],
    "ListAtespacesRequest": [],
    "ListAtespacesResponse": [("atespaces", 1, "[Atespace]")],
    "ObjectRef": [("atespace", 1, "string"), ("name", 2, "string")],
    "KubeNamespacedObjectRef": [("namespace", 1, "string"), ("name", 2, "string")],
    "ResourceMetadata": [("atespace", 1, "string"), ("name", 2, "string"), ("version", 4, "int64")],
    "ExternalSnapshotInfo": [("snapshot_uri_prefix", 1, "string")],
    "LocalSnapshotInfo": [("snapshot_prefix", 1, "string")],
    "SnapshotInfo": [("external", 2, "ExternalSnapshotInfo"), ("local", 3, "LocalSnapshotInfo")],
    "Atespace": [("metadata", 1, "ResourceMetadata")],
    "Actor": [
        ("metadata", 1, "ResourceMetadata"),
        ("actor_template_namespace", 2, "string"),
        ("actor_template_name", 3, "string"),
        ("status", 4, "Actor.Status"),
        ("ateom_pod_namespace", 5, "string"),
        ("ateom_pod_name", 6, "string"),
        ("ateom_pod_ip", 7, "string"),
        ("in_progress_snapshot", 8, "string"),
        ("ateom_pod_uid", 9, "string"),
        ("latest_snapshot_info", 10, "SnapshotInfo"),
        ("worker_selector", 11, "Selector"),
        ("worker_pool_name", 12, "string"),
    ],
    "Assignment": [("actor_template", 1, "KubeNamespacedObjectRef"), ("actor", 2, "ObjectRef")],
    "Worker": [
        ("worker_namespace", 1, "string"),
        ("worker_pool", 2, "string"),
        ("worker_pod", 3, "string"),
        ("assignment", 4, "Assignment"),
        ("ip", 5, "string"),
        ("version", 6, "int64"),
        ("worker_pod_uid", 7, "string"),
        ("node_name", 8, "string"),
    ],
}
_MESSAGES: Final = {Shape.FLAT: _FLAT, Shape.ATESPACES: _ATESPACES}


def methods(shape: Shape) -> dict[str, str]:
    """The methods of the service, sorted, with the message that each replies with.

    A method X is there if XRequest is; it replies with XResponse, else with the object that it is about.
    """
    known = _MESSAGES[shape]
    names = sorted(name.removesuffix("Request") for name in known if name.endswith("Request"))
    kinds = {name: "Atespace" if name.endswith("Atespace") else "Actor" for name in names}
    return {name: f"{name}Response" if f"{name}Response" in known else kinds[name] for name in names}


def file_descriptor(shape: Shape) -> descriptor_pb2.FileDescriptorProto:
    """The file that declares package, messages and service of a shape."""
    file = descriptor_pb2.FileDescriptorProto(name="ateapi.proto", package=PACKAGE, syntax="proto3")
    for name, fields in sorted(_MESSAGES[shape].items()):
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
    for method, reply in methods(shape).items():
        service.method.add(
            name=method, input_type=f".{PACKAGE}.{method}Request", output_type=f".{PACKAGE}.{reply}"
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
