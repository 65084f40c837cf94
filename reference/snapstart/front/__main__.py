"""`python -m reference.snapstart.front`: the session front as a program."""

from __future__ import annotations

import argparse
import asyncio
import sys
from typing import Final

from reference.api import Api
from reference.commandline import add_namespaces, command_line, run_program
from reference.objects import name_of, namespace_of
from reference.program import Address, listening, status_pages
from reference.snapstart.front.lookup import STORE_LIMIT
from reference.snapstart.front.mutants import FIRED, MUTANTS, mutated
from reference.snapstart.front.objects import Objects
from reference.snapstart.front.server import Metrics
from reference.snapstart.kinds import SandboxSnapshot, SandboxWarmPool
from reference.snapstart.store.options import add_store_options, open_store

#: The field manager of its writes.
_COMPONENT: Final = "snapstart-front"


def parser() -> argparse.ArgumentParser:
    """The command line."""
    found = command_line(
        "reference.snapstart.front",
        "Creates sessions: from a free slot of a pool, restored from a snapshot, or cold.",
        mutants=MUTANTS,
    )
    add = found.add_argument
    add("--listen", type=Address.parse, required=True, metavar="HOST:PORT", help="where users send requests")
    add_namespaces(found)
    add_store_options(found, "the controller's artifact store, read only")
    add(
        "--store-timeout",
        type=float,
        default=STORE_LIMIT,
        metavar="S",
        help="seconds that a session waits for the store before it starts cold (default: %(default)g)",
    )
    add(
        "--ready-timeout",
        type=float,
        default=60,
        metavar="S",
        help="seconds until a session that cannot be used is given up (default: %(default)g)",
    )
    add(
        "--no-restore",
        action="store_true",
        help="never look for a snapshot: every session is cold or from a pool",
    )
    return found


async def serve(arguments: argparse.Namespace) -> None:
    """Serve until cancelled."""
    parts = mutated(arguments.mutant)
    api = Api.connect(arguments.kubeconfig, _COMPONENT)
    store = open_store(arguments, writable=False)
    objects = Objects(api.client, arguments.namespaces)
    metrics = Metrics()
    metrics.registry.register(FIRED)
    snapshots = (lambda _namespace: ()) if arguments.no_restore else objects.snapshots
    lookup = parts.lookup(
        snapshots,
        lambda found: api.get(SandboxSnapshot, namespace_of(found), name_of(found)),
        objects.snapshot_class,
        store,
        parts.hashing,
        arguments.store_timeout,
    )
    pools = parts.pools(
        objects.pools, lambda found: api.get(SandboxWarmPool, namespace_of(found), name_of(found))
    )
    sessions = parts.sessions(api, objects, lookup, pools, arguments.ready_timeout)
    front = parts.front(sessions, metrics)
    serving = asyncio.Event()
    pages = status_pages(serving.is_set, metrics.registry)
    try:
        async with listening(pages, arguments.http), asyncio.TaskGroup() as tasks:
            tasks.create_task(objects.informers.run())
            await objects.informers.until_synced()
            async with listening(front.application(), arguments.listen):
                serving.set()
                await asyncio.Event().wait()
    finally:
        await store.close()
        await api.close()


def main() -> int:
    """Run the program; its exit code."""
    return run_program(parser(), serve)


if __name__ == "__main__":
    sys.exit(main())
