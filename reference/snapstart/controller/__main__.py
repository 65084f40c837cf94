"""`python -m reference.snapstart.controller`: the snapshot controller as a program."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import datetime
import sys
from typing import Final

from reference import admission
from reference.api import Api
from reference.commandline import add_namespaces, command_line, run_program
from reference.events import Recorder
from reference.program import listening, status_pages
from reference.snapstart import keys
from reference.snapstart.controller.artifacts import Limits
from reference.snapstart.controller.controller import Controller
from reference.snapstart.controller.metrics import Metrics
from reference.snapstart.controller.mutants import FIRED, MUTANTS, mutated
from reference.snapstart.controller.passes import Tools
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
    admission.add_options(found, "webhook", "where the validating webhook is")
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
            webhook = parts.webhook(api).application()
            await stack.enter_async_context(admission.serving(webhook, arguments, "webhook"))
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
    return run_program(parser(), serve, complaint=lambda given: admission.complaint(given, "webhook"))


if __name__ == "__main__":
    sys.exit(main())
