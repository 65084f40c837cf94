"""`python -m reference.rollout.gateway`: the gateway as a program."""

from __future__ import annotations

import argparse
import asyncio
import sys
import time

import aiohttp
from lightkube import AsyncClient, KubeConfig
from yarl import URL

from reference.commandline import command_line, run_program
from reference.program import Address, listening, status_pages
from reference.rollout.actors import Actors
from reference.rollout.commandline import add_client_options
from reference.rollout.gateway.dialects import DIALECTS
from reference.rollout.gateway.holding import RequestLeases
from reference.rollout.gateway.mutants import MUTANTS
from reference.rollout.gateway.objects import Objects
from reference.rollout.gateway.server import Gateway
from reference.rollout.gateway.sessions import Sessions
from reference.rollout.gateway.turns import PATIENCE, Turns
from reference.rollout.reflection import AsyncReflectedService


def parser() -> argparse.ArgumentParser:
    """The command line."""
    found = command_line(
        "reference.rollout.gateway",
        "Passes A2A requests on to the actors of sessions: it picks the template, resumes the actor, streams "
        "the answer and suspends the actor afterwards.",
        mutants=MUTANTS,
    )
    add_client_options(found)
    add = found.add_argument
    add("--listen", type=Address.parse, required=True, metavar="HOST:PORT", help="where users send requests")
    add(
        "--router",
        type=URL,
        required=True,
        metavar="URL",
        help="HTTP endpoint through which actors are reached",
    )
    add(
        "--patience",
        type=float,
        default=PATIENCE,
        metavar="S",
        help="seconds that a request waits for a free worker, and for its actor (default: %(default)g)",
    )
    add(
        "--identity",
        default="gateway",
        help="name of its request leases, its own per replica (default: %(default)s)",
    )
    return found


async def serve(arguments: argparse.Namespace) -> None:
    """Serve until cancelled."""
    for name in arguments.mutant:
        MUTANTS[name]()
    client = AsyncClient(KubeConfig.from_file(arguments.kubeconfig), trust_env=False)
    service = AsyncReflectedService.connect(arguments.ate_api)
    objects = Objects(client, arguments.namespaces)
    connector = aiohttp.TCPConnector(limit=0)
    dialect, actors = DIALECTS[arguments.dialect], Actors(service)
    try:
        async with aiohttp.ClientSession(
            connector=connector, timeout=aiohttp.ClientTimeout(total=None)
        ) as http:
            leases = RequestLeases(client, arguments.identity)
            turns = Turns(objects, actors, leases, dialect, http, arguments.router, arguments.patience)
            sessions = Sessions(objects, actors, turns, dialect)
            gateway = Gateway(objects, turns, sessions, http, arguments.router, time.monotonic)

            serving = asyncio.Event()

            def ready() -> bool:
                return serving.is_set() and (turns.orphans_suspended or not dialect.leases)

            pages = status_pages(ready, gateway.metrics.registry)
            async with listening(pages, arguments.http), asyncio.TaskGroup() as tasks:
                tasks.create_task(objects.informers.run())
                await objects.informers.until_synced()
                if dialect.leases:
                    tasks.create_task(turns.suspend_orphans())
                async with listening(gateway.application(), arguments.listen):
                    serving.set()
                    await asyncio.Event().wait()
    finally:
        await service.close()
        await client.close()


def main() -> int:
    """Run the program; its exit code."""
    return run_program(parser(), serve)


if __name__ == "__main__":
    sys.exit(main())
