"""The options of programs that use the artifact store, and the store that they name."""

from __future__ import annotations

import argparse
from pathlib import Path

from reference.snapstart.store.faults import FaultyStore
from reference.snapstart.store.sqlite import SqliteStore
from reference.snapstart.store.store import Store


def add_store_options(found: argparse.ArgumentParser, what: str) -> None:
    """`--store`, of which `what` is the help, and `--store-faults`."""
    add = found.add_argument
    add("--store", type=Path, required=True, metavar="FILE", help=what)
    add(
        "--store-faults",
        type=Path,
        metavar="FILE",
        help="a JSON file that says what is wrong with the store, read at each call (for tests)",
    )


def open_store(arguments: argparse.Namespace, *, writable: bool) -> Store:
    """The store that `add_store_options` was told of, with its faults. Raises what SqliteStore does."""
    store = SqliteStore(arguments.store, writable=writable)
    return FaultyStore(store, arguments.store_faults) if arguments.store_faults else store
