"""`python -m reference.snapstart.runtime`: the runtime as a program."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from reference.snapstart.runtime import isolation
from reference.snapstart.runtime.parts import Parts
from reference.snapstart.runtime.program import Options, Program


def parser() -> argparse.ArgumentParser:
    """The command line."""
    found = argparse.ArgumentParser(
        prog="python -m reference.snapstart.runtime",
        description="Runs the code of one session, or waits at its safe point to be captured for many.",
    )
    add = found.add_argument
    add(
        "--mode",
        choices=("cold", "build"),
        required=True,
        help="be a session as soon as everything is loaded, or what sessions are restored from",
    )
    add("--address", required=True, metavar="IP", help="where to serve")
    add("--port", type=int, default=8080, help="where to serve (default: %(default)s)")
    add("--workspace", type=Path, required=True, metavar="DIR", help="existing folder to work in")
    add("--preload", default="", metavar="A,B", help="modules to load before anything else happens")
    add(
        "--inject-socket",
        type=Path,
        metavar="FILE",
        help="mode build: UNIX socket to listen on at the safe point (required); "
        "drivers connect to FILE.control",
    )
    add("--instance-id", default="", metavar="ID", help="mode cold: who the session is (required)")
    add("--context", default="", metavar="TEXT", help="mode cold: what the session is given, as it is")
    add(
        "--shared-folders",
        action="store_true",
        help="give sessions no /tmp and /dev/shm of their own; without root they have none in any case",
    )
    add(
        "--mutant",
        action="append",
        default=[],
        metavar="NAME",
        help="do one thing wrong on purpose (repeatable); see reference/snapstart/runtime/mutants.py",
    )
    return found


def main() -> int:
    """Run the program; its exit code."""
    command_line = parser()
    arguments = command_line.parse_args()
    if arguments.mode == "build" and arguments.inject_socket is None:
        command_line.error("--mode build needs --inject-socket")
    if arguments.mode == "cold" and not arguments.instance_id:
        command_line.error("--mode cold needs --instance-id")
    parts = Parts()
    if arguments.mutant:
        # Not at the top: what a session does not need should not be in its memory.
        from reference.snapstart.runtime import mutants

        parts = mutants.apply(parts, arguments.mutant)
    options = Options(
        address=arguments.address,
        port=arguments.port,
        workspace=arguments.workspace.absolute(),
        preload=[name for name in arguments.preload.split(",") if name],
        private=isolation.possible() and not arguments.shared_folders,
        inject_socket=arguments.inject_socket and arguments.inject_socket.absolute(),
        instance_id=arguments.instance_id,
        context=arguments.context,
    )
    program = Program(options, parts, arguments.mode)
    if arguments.mode == "cold":
        program.cold()
    program.build()
    return 0


if __name__ == "__main__":
    sys.exit(main())
