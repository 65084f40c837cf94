"""`python -m reference.snapstart.controller`: the snapshot controller as a program."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import datetime
import sys
from pathlib import Path
from typing import Final

from reference.api import Api
from reference.commandline import add_namespaces, command_line
from reference.events import Recorder
from reference.program import Address, listening, log_as_json, run, status_pages
from reference.snapstart import keys
from reference.snapstart.controller.artifacts import Limits
from reference.snapstart.controller.controller import Controller
from reference.snapstart.controller.metrics import Metrics
from reference.snapstart.controller.mutants import FIRED, MUTANTS, mutated
from reference.snapstart.controller.passes import Tools
from reference.snapstart.controller.webhook import tls
from reference.snapstart.store.options import add_store_options, open_store

#: The field manager of its writes and the source of its Events.
_COMPONENT: Final = "sandbox-snapshot-controller"
#: Seconds between two Events that say the same.
_EVENT_INTERVAL: Final = 60


def parser() -> argparse.ArgumentParser:
    """The command line."""
    found = command_line(
        "reference.snapstart.controller",
        "Builds what SandboxSnapshots ask for on every node that can, keeps the record of it, "
        "and says in their status what can be restored.",
        mutants=MUTANTS,
    )
    add = found.add_argument
    add_namespaces(found)
    add_store_options(found, "the artifact store (SQLite); made if missing")
    add(
        "--task-timeout",
        type=float,
        default=30,
        metavar="S",
        help="seconds until a build that is not done counts as failed (default: %(default)g)",
    )
    add(
        "--retries",
        type=int,
        default=3,
        metavar="N",
        help="how often a failed build is tried again (default: %(default)d)",
    )
    add(
        "--first-retry",
        type=float,
        default=1,
        metavar="S",
        help="seconds until the first new try; each further one waits twice as long (default: %(default)g)",
    )
    add(
        "--task-ttl",
        type=float,
        default=5,
        metavar="S",
        help="seconds that a task stays after its agent has answered (default: %(default)g)",
    )
    add("--webhook", type=Address.parse, metavar="HOST:PORT", help="where the validating webhook is (HTTPS)")
    add("--webhook-certificate", type=Path, metavar="FILE", help="its certificate chain, PEM")
    add("--webhook-key", type=Path, metavar="FILE", help="its private key, PEM")
    add(
        "--code-interpreters",
        action="store_true",
        help="also keep a SandboxTemplate for each CodeInterpreter; their CRD has to be there",
    )
    return found


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


async def serve(arguments: argparse.Namespace) -> None:
    """Reconcile until cancelled."""
    parts = mutated(arguments.mutant)
    api = Api.connect(arguments.kubeconfig, _COMPONENT)
    store = open_store(arguments, writable=True)
    metrics = Metrics()
    metrics.registry.register(FIRED)
    tools = Tools(
        api=api,
        store=store,
        events=Recorder(api, _now, datetime.timedelta(seconds=_EVENT_INTERVAL), _COMPONENT),
        metrics=metrics,
        limits=Limits(
            datetime.timedelta(seconds=arguments.task_timeout),
            arguments.retries,
            datetime.timedelta(seconds=arguments.first_retry),
        ),
        task_ttl=datetime.timedelta(seconds=arguments.task_ttl),
        now=_now,
        nonce=keys.new_nonce,
    )
    controller = Controller(tools, parts, arguments.namespaces)
    templates = parts.templates(api, arguments.namespaces) if arguments.code_interpreters else None
    pages = status_pages(
        lambda: controller.synced and (templates is None or templates.synced), metrics.registry
    )
    try:
        async with contextlib.AsyncExitStack() as stack:
            if arguments.webhook is not None:
                context = tls(arguments.webhook_certificate, arguments.webhook_key)
                application = parts.webhook(api).application()
                await stack.enter_async_context(listening(application, arguments.webhook, context))
            await stack.enter_async_context(listening(pages, arguments.http))
            tasks = await stack.enter_async_context(asyncio.TaskGroup())
            tasks.create_task(controller.run())
            if templates is not None:
                tasks.create_task(templates.run())
            await asyncio.Event().wait()
    finally:
        await store.close()
        await api.close()


def main() -> int:
    """Run the program; its exit code."""
    found = parser()
    arguments = found.parse_args()
    if arguments.webhook is not None and not (arguments.webhook_certificate and arguments.webhook_key):
        found.error(
            "--webhook needs --webhook-certificate and --webhook-key: an API server asks over HTTPS only"
        )
    log_as_json()
    return run(serve(arguments))


if __name__ == "__main__":
    sys.exit(main())
