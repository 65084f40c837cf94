"""`python -m reference.snapstart.node`: the process node as a program."""

from __future__ import annotations

import argparse
import contextlib
import ipaddress
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from reference.commandline import command_line, run_program
from reference.snapstart.drivers.mutants import MUTANTS as DRIVER_MUTANTS
from reference.snapstart.node.addresses import network
from reference.snapstart.node.driving import DRIVERS, NONE, driving
from reference.snapstart.node.kubelet import Limits
from reference.snapstart.node.mutants import MUTANTS, apply
from reference.snapstart.node.node import Settings, owning, serve, sweep
from reference.snapstart.node.parts import Parts
from reference.snapstart.node.probing import PATH
from reference.snapstart.node.runtimelayer import Options, Policy

_TAINT = re.compile(r"(?P<key>[^=:]+)(=(?P<value>[^:]*))?:(?P<effect>NoSchedule|PreferNoSchedule|NoExecute)")


def parser() -> argparse.ArgumentParser:
    """The command line."""
    found = command_line(
        "reference.snapstart.node",
        "Is a node of a cluster whose Pods are processes of this machine, restored from "
        "snapshots where their annotation asks for it. Killed and started again on the same --state, it goes "
        "on where it was; the processes go on meanwhile.",
        mutants=MUTANTS,
        http="where /healthz, /metrics and what is in reference/snapstart/node/pages.py are",
    )
    add = found.add_argument
    add(
        "--agent-kubeconfig",
        type=Path,
        metavar="FILE",
        help="the same for the node agent, whose account may do less (default: --kubeconfig)",
    )
    add("--name", required=True, help="name of the Node")
    add(
        "--addresses",
        type=_network,
        required=True,
        metavar="NETWORK",
        help="loopback addresses of the node and its Pods, for example 127.60.0.0/24",
    )
    add("--state", type=Path, required=True, metavar="DIR", help="folder for all that has to survive a kill")
    add(
        "--sockets",
        type=Path,
        metavar="DIR",
        help="folder for UNIX sockets, whose path must be short (default: sockets in --state)",
    )
    drivers = [*sorted(DRIVERS), NONE]
    add("--driver", choices=drivers, default="zygote", help="how snapshots are made (%(default)s)")
    add("--criu", default="criu", metavar="PROGRAM", help="what driver criu calls (%(default)s)")
    add(
        "--restore-policy",
        type=Policy,
        choices=list(Policy),
        default=Policy.COLD,
        help="what becomes of a Pod whose key cannot be restored (default: %(default)s)",
    )
    add(
        "--restore-timeout",
        type=_positive,
        default=5,
        metavar="S",
        help="seconds until a restore has failed (default: %(default)g)",
    )
    add(
        "--create-timeout",
        type=_positive,
        default=20,
        metavar="S",
        help="seconds until the making of an artifact has failed (default: %(default)g)",
    )
    add(
        "--start-timeout",
        type=_positive,
        default=120,
        metavar="S",
        help="seconds until a process that does not answer is given up (default: %(default)g)",
    )
    add(
        "--cold-starts",
        type=int,
        default=0,
        metavar="N",
        help="processes that may be starting cold at the same time (default: any number)",
    )
    add(
        "--heartbeat",
        type=_positive,
        default=10,
        metavar="S",
        help="seconds between two renewals of the Lease (default: %(default)g)",
    )
    add(
        "--session-page",
        default=PATH,
        metavar="PATH",
        help="what a session is asked for to know if it serves; /witness names the session and draws from "
        "what was loaded (default: %(default)s)",
    )
    add("--label", type=_label, action="append", default=[], metavar="KEY=VALUE", help="of the Node")
    add(
        "--taint",
        type=_taint,
        action="append",
        default=[],
        metavar="KEY=VALUE:EFFECT",
        help="of a new Node, so that only Pods that are meant for it come",
    )
    add("--driver-mutant", choices=sorted(DRIVER_MUTANTS), help="be wrong about snapshots in this way")
    add(
        "--runtime",
        default="reference.snapstart.runtime",
        metavar="MODULE",
        help="Python program that is the process of every Pod (default: %(default)s)",
    )
    add(
        "--runtime-mutant",
        action="append",
        default=[],
        metavar="NAME",
        help="mutant of the runtime, for all that are started from now on (repeatable)",
    )
    return found


def settings_of(arguments: argparse.Namespace) -> Settings:
    """What a command line says."""
    state = arguments.state.absolute()
    sockets = arguments.sockets.absolute() if arguments.sockets else state / "sockets"
    return Settings(
        name=arguments.name,
        network=arguments.addresses,
        kubeconfig=arguments.kubeconfig,
        agent_kubeconfig=arguments.agent_kubeconfig or arguments.kubeconfig,
        state=state,
        http=arguments.http,
        options=Options(
            sockets=sockets,
            module=arguments.runtime,
            policy=arguments.restore_policy,
            restore_limit_s=arguments.restore_timeout,
            arguments=tuple(part for name in arguments.runtime_mutant for part in ("--mutant", name)),
        ),
        limits=Limits(arguments.cold_starts, arguments.start_timeout),
        heartbeat_s=arguments.heartbeat,
        create_limit_s=arguments.create_timeout,
        labels=dict(arguments.label),
        taints=tuple(arguments.taint),
        session_page=arguments.session_page,
    )


async def be(arguments: argparse.Namespace) -> None:
    """Be the node until cancelled."""
    settings, parts = settings_of(arguments), apply(Parts(), arguments.mutant)
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(owning(settings.state))
        except TimeoutError as err:
            raise RuntimeError(f"another node works on {settings.state}: end it first") from err
        await sweep(settings.state)
        folder = settings.state / "driver"
        driver = driving(arguments.driver, folder, settings.name, arguments.driver_mutant, arguments.criu)
        async with driver as found:
            await serve(settings, parts, found)


def main(argv: Sequence[str] | None = None) -> int:
    """Run it; the exit code."""
    return run_program(parser(), be, argv)


def _network(text: str) -> ipaddress.IPv4Network:
    try:
        return network(text)
    except ValueError as err:
        raise argparse.ArgumentTypeError(str(err)) from err


def _positive(text: str) -> float:
    if (number := float(text)) <= 0:
        raise argparse.ArgumentTypeError(f"{text} is not more than 0")
    return number


def _label(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not key or not equals:
        raise argparse.ArgumentTypeError(f"{text!r} is not KEY=VALUE")
    return key, value


def _taint(text: str) -> dict[str, str]:
    found = _TAINT.fullmatch(text)
    if found is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not KEY[=VALUE]:EFFECT")
    return {name: value for name, value in found.groupdict().items() if value is not None}


if __name__ == "__main__":
    sys.exit(main())
