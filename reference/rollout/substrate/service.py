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
from reference.rollout.substrate.model import Actor, ActorRef, Template, Worker, check_dns_label
from reference.rollout.substrate.operations import Operations
from reference.rollout.substrate.store import Store

_LOG = logging.getLogger(__name__)

#: Fields of a reply by name, or the reply when it has been waited for.
Fields: TypeAlias = dict[str, Any]
Handler: TypeAlias = Callable[[Any], Fields | Awaitable[Fields]]

#: Actors on a page if the request does not say how many, and at most.
MAX_PAGE: Final = 1000
#: What a caller learns of an error that has no status of its own.
_INTERNAL_TEXT: Final = "internal server error"


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
        handlers = {name: self._rpc(name) for name in methods(self._api.shape)}
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
        reflection.enable_server_reflection((SERVICE, reflection.SERVICE_NAME), server, pool=self._api.pool)

    def _rpc(self, method: str) -> Any:
        reply_class = self._api.message(f"{method}Response")
        handler = self._methods[method]

        async def call(request: Message, context: grpc.aio.ServicerContext[Any, Any]) -> Message:
            began = time.perf_counter()
            code, text, reply = grpc.StatusCode.OK, "", reply_class()
            try:
                reply = reply_class(**await self._fields(handler, request))
            except RefusedError as err:
                code, text = err.code, err.text
            except InternalError as err:
                code, text = grpc.StatusCode.INTERNAL, _INTERNAL_TEXT
                _LOG.warning("call failed", extra={"method": method, "error": str(err)})
            except Exception:
                code, text = grpc.StatusCode.INTERNAL, _INTERNAL_TEXT
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
        ref = self._ref(request)
        if not request.actor_template_namespace:
            raise invalid("actor_template_namespace is required")
        if not request.actor_template_name:
            raise invalid("actor_template_name is required")
        if not self._flat:
            check_dns_label(ref.atespace, "atespace")
        check_dns_label(ref.id, "actor_id")
        template = Template(request.actor_template_namespace, request.actor_template_name)
        selector = dict(request.worker_selector.match_labels)
        return {"actor": self._actor(self._operations.create(ref, template, selector))}

    def _get_actor(self, request: Any) -> Fields:
        return {"actor": self._actor(self._store.actor(self._existing(request)))}

    async def _resume_actor(self, request: Any) -> Fields:
        actor = await self._operations.resume(self._existing(request), boot=request.boot)
        return {"actor": self._actor(actor)}

    async def _suspend_actor(self, request: Any) -> Fields:
        return {"actor": self._actor(await self._operations.suspend(self._existing(request)))}

    async def _pause_actor(self, request: Any) -> Fields:
        return {"actor": self._actor(await self._operations.pause(self._existing(request)))}

    def _delete_actor(self, request: Any) -> Fields:
        ref = self._existing(request)
        check_dns_label(ref.id, "actor_id")
        self._operations.delete(ref)
        return {}

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
        check_dns_label(request.name, "name")
        self._store.create_atespace(request.name)
        return {"atespace": self._atespace(request.name)}

    def _get_atespace(self, request: Any) -> Fields:
        if request.name not in self._store.atespaces():
            raise missing(f"Atespace {request.name} not found")
        return {"atespace": self._atespace(request.name)}

    def _list_atespaces(self, _request: Any) -> Fields:
        return {"atespaces": [self._atespace(name) for name in self._store.atespaces()]}

    def _delete_atespace(self, request: Any) -> Fields:
        self._operations.delete_atespace(request.name)
        return {}

    # Messages

    def _ref(self, request: Any) -> ActorRef:
        if self._flat:
            return ActorRef("", request.actor_id)
        return ActorRef(request.actor_ref.atespace, request.actor_ref.name)

    def _existing(self, request: Any) -> ActorRef:
        ref = self._ref(request)
        if not ref.id:
            raise invalid("id is required")
        return ref

    def _actor(self, actor: Actor) -> Message:
        fields: Fields = {
            "actor_id": actor.ref.id,
            "version": actor.version,
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
            fields["last_snapshot"] = actor.last_snapshot
        else:
            fields["atespace"] = actor.ref.atespace
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
        if actor is not None:
            fields |= {
                "actor_namespace": actor.template.namespace,
                "actor_template": actor.template.name,
                "actor_id": actor.ref.id,
            }
            if not self._flat:
                fields["actor_atespace"] = actor.ref.atespace
        return self._api.message("Worker")(**fields)

    def _atespace(self, name: str) -> Message:
        return self._api.message("Atespace")(name=name)


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
