"""What the command lines of the references' programs have in common.

def parser() -> argparse.ArgumentParser:
    found = command_line("reference.some.thing", "Does a thing.", mutants=MUTANTS)
    found.add_argument("--listen", type=Address.parse, required=True, metavar="HOST:PORT")
    return found

def main() -> int:
    return run_program(parser(), serve)
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Coroutine, Iterable, Sequence
from pathlib import Path
from typing import Any

from reference.program import Address, log_as_json, run


def command_line(
    module: str,
    description: str,
    *,
    mutants: Iterable[str],
    http: str = "where /healthz and /metrics are",
) -> argparse.ArgumentParser:
    """The options of every program: `--kubeconfig`, `--http` and `--mutant`, which collects names."""
    found = argparse.ArgumentParser(prog=f"python -m {module}", description=description)
    add = found.add_argument
    add("--kubeconfig", type=Path, required=True, metavar="FILE", help="how to reach the API server")
    add("--http", type=Address.parse, required=True, metavar="HOST:PORT", help=http)
    known = sorted(mutants)
    add(
        "--mutant",
        action="append",
        default=[],
        choices=known,
        metavar="NAME",
        help=f"do one thing wrong on purpose: {', '.join(known)} (repeatable)",
    )
    return found


def add_namespaces(found: argparse.ArgumentParser) -> None:
    """The option `--namespaces`, a list; an empty one means all."""
    found.add_argument(
        "--namespaces", type=_listed, default=[], metavar="A,B", help="namespaces to serve (default: all)"
    )


def _listed(text: str) -> list[str]:
    return [part for part in text.split(",") if part]


def run_program(
    parser: argparse.ArgumentParser,
    serve: Callable[[argparse.Namespace], Coroutine[Any, Any, None]],
    argv: Sequence[str] | None = None,
) -> int:
    """Parse the arguments and serve until told to end; the exit code (see `reference.program.run`)."""
    arguments = parser.parse_args(argv)
    log_as_json()
    return run(serve(arguments))
