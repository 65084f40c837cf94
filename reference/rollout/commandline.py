"""The options of the rollout's programs that use a substrate."""

from __future__ import annotations

import argparse

from reference.commandline import add_namespaces
from reference.rollout.roles import DIALECTS


def add_client_options(found: argparse.ArgumentParser) -> None:
    """The options of what uses a substrate: `--ate-api`, `--dialect` and `--namespaces`, which is a list."""
    add = found.add_argument
    add("--ate-api", required=True, metavar="HOST:PORT", help="gRPC endpoint of ate-api")
    add(
        "--dialect",
        choices=sorted(DIALECTS),
        default="v1_safe",
        help="whose rules to follow (default: %(default)s)",
    )
    add_namespaces(found)
