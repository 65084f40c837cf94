"""`python -m reference.rollout.controller`: the agent controller as a program."""

from __future__ import annotations

import argparse
import datetime
import sys
from pathlib import Path

import grpc

from reference.commandline import command_line, run_program
from reference.events import Recorder
from reference.program import listening, status_pages
from reference.rollout.actors import Actors
from reference.rollout.commandline import add_client_options
from reference.rollout.controller.api import Api
from reference.rollout.controller.controller import Controller, Metrics, template_schema
from reference.rollout.controller.dialect import DIALECTS
from reference.rollout.controller.firing import FIRED
from reference.rollout.controller.mutants import MUTANTS, mutated
from reference.rollout.controller.passes import Tools
from reference.rollout.controller.rendering import Images
from reference.rollout.reflection import AsyncReflectedService

#: A placeholder digest: the reference substrate pulls nothing.
_NO_DIGEST = "sha256:" + "0" * 64

#: The field manager of its writes and the source of its Events.
_COMPONENT = "rollout-controller"

#: Seconds between two Events that say the same (RO-4).
_EVENT_INTERVAL = 60


def parser() -> argparse.ArgumentParser:
    """The command line."""
    found = command_line(
        "reference.rollout.controller",
        "Turns the config of SandboxAgents into ActorTemplates, and retires templates that a newer one has "
        "replaced.",
        mutants=MUTANTS,
    )
    add_client_options(found)
    add = found.add_argument
    add(
        "--ate-api-ca",
        type=Path,
        metavar="FILE",
        help="certificates that ate-api's is signed by (default: plain text)",
    )
    add(
        "--requeue",
        type=float,
        default=10,
        metavar="S",
        help="seconds until what is not done is tried again (default: %(default)g)",
    )
    add(
        "--delete-cap",
        type=float,
        default=300,
        metavar="S",
        help="seconds until a deleted agent is released even with actors left (default: %(default)g)",
    )
    add(
        "--pause-image",
        default=f"registry.k8s.io/pause@{_NO_DIGEST}",
        metavar="IMAGE",
        help="root container of every actor (default: %(default)s)",
    )
    add(
        "--workload-image",
        default=f"rollout.reference/workload@{_NO_DIGEST}",
        metavar="IMAGE",
        help="what declarative agents run (default: %(default)s)",
    )
    return found


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


async def serve(arguments: argparse.Namespace) -> None:
    """Reconcile until cancelled."""
    dialect = mutated(DIALECTS[arguments.dialect], arguments.mutant)
    api = Api.connect(arguments.kubeconfig, _COMPONENT)
    credentials = (
        grpc.ssl_channel_credentials(arguments.ate_api_ca.read_bytes()) if arguments.ate_api_ca else None
    )
    service = AsyncReflectedService.connect(arguments.ate_api, credentials=credentials)
    metrics = Metrics()
    metrics.registry.register(FIRED)
    controllers: list[Controller] = []
    pages = status_pages(lambda: any(c.synced for c in controllers), metrics.registry)
    try:
        async with listening(pages, arguments.http):
            images = Images(arguments.pause_image, arguments.workload_image)
            tools = Tools(
                api,
                Actors(service),
                Recorder(api, _now, datetime.timedelta(seconds=_EVENT_INTERVAL), _COMPONENT),
                dialect.rendering(images, await template_schema(api)),
                _now,
                arguments.delete_cap,
            )
            controllers.append(Controller(tools, dialect, arguments.namespaces, arguments.requeue, metrics))
            await controllers[0].run()
    finally:
        await service.close()
        await api.close()


def main() -> int:
    """Run the program; its exit code."""
    return run_program(parser(), serve)


if __name__ == "__main__":
    sys.exit(main())
