"""gRPC service `ateapi.Control`: messages in, operations, messages out, in either shape (`ateapi.Shape`)."""

from __future__ import annotations

import inspect
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, TypeAlias

import grpc
import grpc.aio
from google.protobuf.message import Message
from grpc_reflection.v1alpha import reflection
from prometheus_client import CollectorRegistry, Histogram

from reference.rollout.ateapi import Api, Shape, methods
from reference.rollout.reflection import ELAPSED_TRAILER, SERVICE
from reference.rollout.substrate.errors import InternalError, RefusedError, invalid, missing
from reference.rollout.substrate.model import Actor, ActorRef, Template, Worker
from reference.rollout.substrate.operations import Operations
from reference.rollout.substrate.store import Store
from reference.rollout.substrate.validation import check_actor_id, check_names

_LOG = logging.getLogger(__name__)

#: Fields of a reply by name, or the reply when it has been waited for.
Fields: TypeAlias = dict[str, Any]
Handler: TypeAlias = Callable[[Any], Fields | Awaitable[Fields]]

#: Actors on a page if the request does not say how many, and at most.
MAX_PAGE: Final = 1000
#: Replies that are the object itself, and the field of other replies that it is.
_OBJECTS: Final[Mapping[str, str]] = {"Actor": "actor", "Atespace": "atespace"}


class ControlService:
    """The service's methods. `handlers()` is what a gRPC server needs."""

    def __init__(
        self, shape: Shape, store: Store, operations: Operations, registry: CollectorRegistry
    ) -> None:
        self._api = Api(shape)
        self._flat = shape is Shape.FLAT
        self._store = store
        self._operations = operations
        self._duration = Histogram(
            "substrate_rpc_seconds", "Time spent in a call.", ["method", "code"], registry=registry
        )
        self._methods: Mapping[str, Handler] = {
            "CreateActor": self._create_actor,
            "GetActor": self._get_actor,
            "ResumeActor": self._resume_actor,
            "SuspendActor": self._suspend_actor,
            "PauseActor": self._pause_actor,
            "DeleteActor": self._delete_actor,
            "ListActors": self._list_actors,
            "ListWorkers": self._list_workers,
            "CreateAtespace": self._create_atespace,
            "GetAtespace": self._get_atespace,
            "ListAtespaces": self._list_atespaces,
            "DeleteAtespace": self._delete_atespace,
        }

    def serve_on(self, server: grpc.aio.Server) -> None:
        """Add the service, and reflection, to a server."""
        handlers = {name: self._rpc(name, reply) for name, reply in methods(self._api.shape).items()}
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
        reflection.enable_server_reflection((SERVICE, reflection.SERVICE_NAME), server, pool=self._api.pool)

    def _rpc(self, method: str, reply_name: str) -> Any:
        reply_class = self._api.message(reply_name)
        handler = self._methods[method]
        known = reply_class.DESCRIPTOR.fields_by_name

        async def call(request: Message, context: grpc.aio.ServicerContext[Any, Any]) -> Message:
            began = time.perf_counter()
            code, text, reply = grpc.StatusCode.OK, "", reply_class()
            try:
                fields = await self._fields(handler, request)
                if reply_name in _OBJECTS:
                    reply = fields[_OBJECTS[reply_name]]
                else:
                    reply = reply_class(**{k: v for k, v in fields.items() if k in known})
            except RefusedError as err:
                code, text = err.code, err.text
            except InternalError as err:
                code, text = grpc.StatusCode.INTERNAL, self._internal_text(err)
                _LOG.warning("call failed", extra={"method": method, "error": str(err)})
            except Exception as err:
                code, text = grpc.StatusCode.INTERNAL, self._internal_text(err)
                logging.getLogger(__name__).exception("call failed", extra={"method": method})
            elapsed = time.perf_counter() - began
            self._duration.labels(method, code.name).observe(elapsed)
            context.set_trailing_metadata(((ELAPSED_TRAILER, str(int(elapsed * 1e6))),))
            if code is not grpc.StatusCode.OK:
                await context.abort(code, text)
            return reply

        return grpc.unary_unary_rpc_method_handler(
            call,
            request_deserializer=self._api.message(f"{method}Request").FromString,
            response_serializer=_serialize,
        )

    async def _fields(self, handler: Handler, request: Message) -> Fields:
        fields = handler(request)
        return await fields if inspect.isawaitable(fields) else fields

    # Methods

    def _create_actor(self, request: Any) -> Fields:
        if self._flat:
            for name in ("actor_template_namespace", "actor_template_name"):
                if not getattr(request, name):
                    raise invalid(f"{name} is required")
            check_actor_id(request.actor_id)
            ref, new = ActorRef("", request.actor_id), request
        else:
            new, metadata = request.actor, request.actor.metadata
            check_names(
                {"actor.metadata.atespace": metadata.atespace, "actor.metadata.name": metadata.name},
                {
                    "actor.actor_template_namespace": new.actor_template_namespace,
                    "actor.actor_template_name": new.actor_template_name,
                },
            )
            ref = ActorRef(metadata.atespace, metadata.name)
        template = Template(new.actor_template_namespace, new.actor_template_name)
        selector = dict(new.worker_selector.match_labels)
        return {"actor": self._actor(self._operations.create(ref, template, selector))}

    def _get_actor(self, request: Any) -> Fields:
        return {"actor": self._actor(self._store.actor(self._ref(request)))}

    async def _resume_actor(self, request: Any) -> Fields:
        actor = await self._operations.resume(self._ref(request), boot=request.boot)
        return {"actor": self._actor(actor)}

    async def _suspend_actor(self, request: Any) -> Fields:
        return {"actor": self._actor(await self._operations.suspend(self._ref(request)))}

    async def _pause_actor(self, request: Any) -> Fields:
        return {"actor": self._actor(await self._operations.pause(self._ref(request)))}

    def _delete_actor(self, request: Any) -> Fields:
        ref = self._ref(request)
        if self._flat:
            check_actor_id(ref.id)
        return {"actor": self._actor(self._operations.delete(ref))}

    def _list_actors(self, request: Any) -> Fields:
        if request.page_size < 0:
            raise invalid("page_size cannot be negative")
        if request.page_size > MAX_PAGE:
            raise invalid(f"page_size {request.page_size} exceeds maximum page size {MAX_PAGE}")
        size = request.page_size or MAX_PAGE
        atespace = "" if self._flat else request.atespace
        found = self._store.actors(atespace, after=_from_token(request.page_token), limit=size + 1)
        page = found[:size]
        token = _token(page[-1].ref) if len(found) > size else ""
        return {"actors": [self._actor(actor) for actor in page], "next_page_token": token}

    def _list_workers(self, _request: Any) -> Fields:
        return {"workers": [self._worker(worker, actor) for worker, actor in self._store.workers()]}

    def _create_atespace(self, request: Any) -> Fields:
        name = request.atespace.metadata.name
        check_names({"atespace.metadata.name": name})
        self._store.create_atespace(name)
        return {"atespace": self._atespace(name)}

    def _get_atespace(self, request: Any) -> Fields:
        name = request.atespace.name
        if name not in self._store.atespaces():
            raise missing(f"Atespace {name} not found")
        return {"atespace": self._atespace(name)}

    def _list_atespaces(self, _request: Any) -> Fields:
        return {"atespaces": [self._atespace(name) for name in self._store.atespaces()]}

    def _delete_atespace(self, request: Any) -> Fields:
        name = request.atespace.name
        self._operations.delete_atespace(name)
        return {"atespace": self._atespace(name)}

    # Messages

    def _ref(self, request: Any) -> ActorRef:
        """The actor that a request is about."""
        if not self._flat:
            check_names({"actor.atespace": request.actor.atespace, "actor.name": request.actor.name})
            return ActorRef(request.actor.atespace, request.actor.name)
        if not request.actor_id:
            raise invalid("id is required")
        return ActorRef("", request.actor_id)

    def _internal_text(self, error: Exception) -> str:
        """What a caller learns of an error that has no status of its own: the flat releases say nothing."""
        return "internal server error" if self._flat else f"internal server error: {error}"

    def _actor(self, actor: Actor) -> Message:
        fields: Fields = {
            "actor_template_namespace": actor.template.namespace,
            "actor_template_name": actor.template.name,
            "status": int(actor.status),
            "in_progress_snapshot": actor.in_progress_snapshot,
        }
        if actor.worker is not None:
            fields |= {
                "ateom_pod_namespace": actor.worker.namespace,
                "ateom_pod_name": actor.worker.pod,
                "ateom_pod_ip": actor.worker.ip,
                "ateom_pod_uid": actor.worker.uid,
                "worker_pool_name": actor.worker.pool,
            }
        if actor.selector:
            fields["worker_selector"] = {"match_labels": dict(actor.selector)}
        if self._flat:
            fields |= {
                "actor_id": actor.ref.id,
                "version": actor.version,
                "last_snapshot": actor.last_snapshot,
            }
        else:
            fields["metadata"] = {
                "atespace": actor.ref.atespace,
                "name": actor.ref.id,
                "version": actor.version,
            }
            if actor.local_snapshot:
                fields["latest_snapshot_info"] = {"local": {"snapshot_prefix": actor.local_snapshot}}
            elif actor.last_snapshot:
                external = {"snapshot_uri_prefix": actor.last_snapshot}
                fields["latest_snapshot_info"] = {"external": external}
        return self._api.message("Actor")(**fields)

    def _worker(self, worker: Worker, actor: Actor | None) -> Message:
        fields: Fields = {
            "worker_namespace": worker.namespace,
            "worker_pool": worker.pool,
            "worker_pod": worker.pod,
            "ip": worker.ip,
            "version": worker.version,
            "worker_pod_uid": worker.uid,
            "node_name": worker.node,
        }
        if actor is not None and self._flat:
            fields |= {
                "actor_namespace": actor.template.namespace,
                "actor_template": actor.template.name,
                "actor_id": actor.ref.id,
            }
        elif actor is not None:
            template = {"namespace": actor.template.namespace, "name": actor.template.name}
            ref = {"atespace": actor.ref.atespace, "name": actor.ref.id}
            fields["assignment"] = {"actor_template": template, "actor": ref}
        return self._api.message("Worker")(**fields)

    def _atespace(self, name: str) -> Message:
        return self._api.message("Atespace")(metadata={"name": name})


def _serialize(message: Message) -> bytes:
    return message.SerializeToString()


def _token(ref: ActorRef) -> str:
    return f"{ref.atespace}/{ref.id}"


def _from_token(token: str) -> ActorRef | None:
    if not token:
        return None
    atespace, slash, actor_id = token.partition("/")
    if not slash:
        raise invalid(f"invalid page_token {token!r}")
    return ActorRef(atespace, actor_id)
