"""`python -m reference.rollout.gateway`: the gateway as a program."""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from pathlib import Path

import aiohttp
from lightkube import AsyncClient, KubeConfig
from yarl import URL

from reference.rollout.actors import Actors
from reference.rollout.gateway import mutants
from reference.rollout.gateway.dialects import DIALECTS
from reference.rollout.gateway.holding import RequestLeases
from reference.rollout.gateway.objects import Objects
from reference.rollout.gateway.server import Gateway
from reference.rollout.gateway.turns import Turns
from reference.rollout.program import Address, listening, log_as_json, run, status_pages
from reference.rollout.reflection import AsyncReflectedService


def parser() -> argparse.ArgumentParser:
    """The command line."""
    found = argparse.ArgumentParser(
        prog="python -m reference.rollout.gateway",
        description="Passes A2A requests on to the actors of sessions: it picks the template, resumes the "
        "actor, streams the answer and suspends the actor afterwards.",
    )
    add = found.add_argument
    add("--kubeconfig", type=Path, required=True, metavar="FILE", help="how to reach the API server")
    add("--listen", type=Address.parse, required=True, metavar="HOST:PORT", help="where users send requests")
    add(
        "--http",
        type=Address.parse,
        required=True,
        metavar="HOST:PORT",
        help="where /healthz and /metrics are",
    )
    add("--ate-api", required=True, metavar="HOST:PORT", help="gRPC endpoint of ate-api")
    add(
        "--router",
        type=URL,
        required=True,
        metavar="URL",
        help="HTTP endpoint through which actors are reached",
    )
    add(
        "--dialect",
        choices=sorted(DIALECTS),
        default="v1_safe",
        help="whose rules to follow (default: %(default)s)",
    )
    add("--namespaces", default="", metavar="A,B", help="namespaces to serve (default: all)")
    add(
        "--identity",
        default="gateway",
        help="name of its request leases, its own per replica (default: %(default)s)",
    )
    add(
        "--mutant",
        action="append",
        default=[],
        choices=sorted(mutants.MUTANTS),
        metavar="NAME",
        help=f"do one thing wrong on purpose: {', '.join(sorted(mutants.MUTANTS))} (repeatable)",
    )
    return found


async def serve(arguments: argparse.Namespace) -> None:
    """Serve until cancelled."""
    namespaces = [name for name in arguments.namespaces.split(",") if name]
    client = AsyncClient(KubeConfig.from_file(arguments.kubeconfig), trust_env=False)
    service = AsyncReflectedService.connect(arguments.ate_api)
    objects = Objects(client, namespaces)
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=None)) as http:
        turns = Turns(
            objects,
            Actors(service),
            RequestLeases(client, arguments.identity),
            DIALECTS[arguments.dialect],
            http,
            arguments.router,
        )
        gateway = Gateway(objects, turns, http, arguments.router, time.monotonic)
        pages = status_pages(lambda: objects.ready, gateway.metrics.registry)
        async with listening(pages, arguments.http), asyncio.TaskGroup() as tasks:
            tasks.create_task(objects.run())
            await objects.synced()
            if DIALECTS[arguments.dialect].leases:
                tasks.create_task(turns.suspend_orphans())
            async with listening(gateway.application(), arguments.listen):
                await asyncio.Event().wait()


def main() -> int:
    """Run the program; its exit code."""
    arguments = parser().parse_args()
    log_as_json()
    for name in arguments.mutant:
        mutants.MUTANTS[name]()
    return run(serve(arguments))


if __name__ == "__main__":
    sys.exit(main())
