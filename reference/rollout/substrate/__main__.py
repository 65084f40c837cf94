"""The reference substrate: what ateapi, atecontroller and the router of Agent Substrate do.

    python -m reference.rollout.substrate --kubeconfig F --listen 127.0.0.1:8443 --http 127.0.0.1:8444 \\
        --router 127.0.0.1:8445 --state-dir D

All state is in --state-dir: started again on the same folder, it goes on where it was, killed or not. Actors
that run are processes of their own, which go on meanwhile; they end when the folder is removed.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import errno
import logging
import sys
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import grpc.aio
from lightkube import AsyncClient
from lightkube.config.kubeconfig import KubeConfig
from lightkube.resources.apps_v1 import Deployment
from lightkube.resources.core_v1 import Pod
from prometheus_client import CollectorRegistry

from reference.commandline import command_line, run_program
from reference.informer import ALL_NAMESPACES, Informer, Informers
from reference.program import Address, listening, status_pages, until_free
from reference.rollout.ateapi import Shape
from reference.rollout.kinds import ActorTemplate, WorkerPool
from reference.rollout.reflection import AsyncReflectedService
from reference.rollout.substrate.cleanup import GoldenCleanup
from reference.rollout.substrate.deletion import DeletionGuard
from reference.rollout.substrate.environment import SECRET_CACHE, SecretCache, secrets_of
from reference.rollout.substrate.herder import Herder
from reference.rollout.substrate.metrics import StateCollector
from reference.rollout.substrate.model import POOL_LABEL, Pool
from reference.rollout.substrate.mutants import MUTANTS, apply
from reference.rollout.substrate.parts import Parts
from reference.rollout.substrate.pods import WorkerSync
from reference.rollout.substrate.pools import PoolReconciler
from reference.rollout.substrate.service import ControlService
from reference.rollout.substrate.store import Store

_LOG = logging.getLogger(__name__)


def parser() -> argparse.ArgumentParser:
    """The command line."""
    found = command_line("reference.rollout.substrate", __doc__ or "", mutants=MUTANTS)
    found.formatter_class = argparse.RawDescriptionHelpFormatter
    address = Address.parse
    found.add_argument("--listen", type=address, required=True, metavar="HOST:PORT", help="ate-api, gRPC")
    found.add_argument("--router", type=address, required=True, metavar="HOST:PORT", help="to actors")
    found.add_argument("--state-dir", type=Path, required=True, metavar="DIR")
    found.add_argument(
        "--namespace",
        default=ALL_NAMESPACES,
        metavar="NAME",
        help="the only namespace whose templates and pools it looks after (default: all)",
    )
    found.add_argument(
        "--ateapi-conn-spec",
        type=address,
        metavar="HOST:PORT",
        help="where the golden machine calls ate-api (default: --listen)",
    )
    found.add_argument(
        "--api",
        type=Shape,
        choices=list(Shape),
        default=Shape.FLAT,
        help="flat: actors have an actor_id; atespaces: an atespace and a name (default: %(default)s)",
    )
    found.add_argument("--restore-ms", type=float, default=0, metavar="N", help="time a restore takes")
    found.add_argument("--checkpoint-ms", type=float, default=0, metavar="N", help="time a snapshot takes")
    found.add_argument(
        "--secret-cache", type=float, default=SECRET_CACHE, metavar="S", help="seconds (default: %(default)s)"
    )
    found.add_argument(
        "--golden-cleanup",
        choices=["none", "server"],
        default="none",
        help="server: the golden of a deleted template is deleted too (default: %(default)s)",
    )
    found.add_argument(
        "--delete-template-policy",
        choices=["allow", "refuse_in_use"],
        default="allow",
        help="refuse_in_use: a template with live actors cannot be deleted (default: %(default)s)",
    )
    return found


async def serve(arguments: argparse.Namespace) -> None:
    """Be the substrate until cancelled."""
    parts = apply(Parts(golden_cleanup=arguments.golden_cleanup == "server"), arguments.mutant)
    registry = CollectorRegistry()
    ready = asyncio.Event()
    async with contextlib.AsyncExitStack() as stack:
        await stack.enter_async_context(listening(status_pages(ready.is_set, registry), arguments.http))
        store = Store(arguments.state_dir)
        stack.callback(store.close)
        client = AsyncClient(
            config=KubeConfig.from_file(arguments.kubeconfig).get(),
            field_manager="rollout-substrate",
            trust_env=False,
        )
        stack.push_async_callback(client.aclose)

        scope = arguments.namespace
        templates = Informer(client, ActorTemplate, scope)
        pools = Informer(client, WorkerPool, scope)
        # A pool without a Deployment yet is no reason to wait, so Deployments need no label.
        deployments = Informer(client, Deployment, scope)
        pods = Informer(client, Pod, scope, {POOL_LABEL: None})
        informers = Informers(templates, pools, deployments, pods)

        guard = (
            DeletionGuard(client, store, templates)
            if arguments.delete_template_policy == "refuse_in_use"
            else None
        )
        if guard is not None:
            await guard.install(scope)
            store.changed = guard.changed
        herder = Herder(
            store, arguments.state_dir, ended=lambda workload: operations.workload_ended(workload)
        )
        operations = parts.operations(
            store,
            herder,
            template_of=lambda template: templates.get(template.namespace, template.name),
            pools=lambda: map(Pool.of, pools.list()),
            secret=SecretCache(secrets_of(client), arguments.secret_cache),
            has_atespaces=arguments.api is Shape.ATESPACES,
            restore_delay=arguments.restore_ms / 1000,
            checkpoint_delay=arguments.checkpoint_ms / 1000,
            hold=None if guard is None else guard.hold,
        )
        ateapi = AsyncReflectedService.connect(str(arguments.ateapi_conn_spec or arguments.listen))
        stack.push_async_callback(ateapi.close)
        golden = parts.golden(client, templates, ateapi)
        StateCollector(store, golden).register_in(registry)
        reconciler = PoolReconciler(client, pools, deployments)
        workers = WorkerSync(store, operations, pods)
        knobs: list[GoldenCleanup | DeletionGuard] = [] if guard is None else [guard]
        if parts.golden_cleanup:
            knobs.append(GoldenCleanup(store, operations, templates))
        service = parts.service(arguments.api, store, operations, registry)

        tasks = await stack.enter_async_context(asyncio.TaskGroup())
        tasks.create_task(informers.run())
        await informers.until_synced()
        await stack.enter_async_context(herder.running())
        await workers.start()
        await operations.recover()
        stack.push_async_callback(operations.close)
        await stack.enter_async_context(_grpc(service, arguments.listen))
        router = parts.router(store, herder).application()
        await stack.enter_async_context(listening(router, arguments.router))
        _LOG.info("serving", extra={"ateapi": str(arguments.listen), "mutants": arguments.mutant})
        for work in (workers.run(), golden.run(), reconciler.run(), *(knob.run() for knob in knobs)):
            tasks.create_task(work)
        ready.set()
        await asyncio.Event().wait()


@contextlib.asynccontextmanager
async def _grpc(service: ControlService, address: Address) -> AsyncIterator[None]:
    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    service.serve_on(server)

    async def bind() -> None:
        try:
            server.add_insecure_port(str(address))
        except RuntimeError as err:
            # It does not say why, but addresses of the host itself are in use, or free.
            raise OSError(errno.EADDRINUSE, f"cannot listen on {address}") from err

    await until_free(bind)
    await server.start()
    try:
        yield
    finally:
        await server.stop(grace=None)


def main(argv: Sequence[str] | None = None) -> int:
    """Run it; the exit code."""
    return run_program(parser(), serve, argv)


if __name__ == "__main__":
    sys.exit(main())
