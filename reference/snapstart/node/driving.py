"""The drivers that a node can have, by the names of the command line."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Final

from reference.snapstart.drivers.criu import CriuDriver
from reference.snapstart.drivers.criucommands import detect
from reference.snapstart.drivers.driver import Driver
from reference.snapstart.drivers.mutants import MUTANTS
from reference.snapstart.drivers.zygote import ZygoteDriver

NONE: Final = "none"
DRIVERS: Final[Mapping[str, type[ZygoteDriver] | type[CriuDriver]]] = {
    "criu": CriuDriver,
    "zygote": ZygoteDriver,
}


@contextlib.asynccontextmanager
async def driving(
    name: str, folder: Path, node: str, mutant: str | None = None, criu: str = "criu"
) -> AsyncIterator[Driver | None]:
    """The driver of that name, for a node and in a folder, until the block ends; None for `NONE`.

    `mutant` is the name of a wrong driver to take instead, `criu` the program that driver calls. Raises
    CriuUnusableError where criu does not work, ValueError if the mutant is one of another driver.
    """
    if name == NONE:
        yield None
        return
    kind = DRIVERS[name]
    if mutant is not None:
        wrong = MUTANTS[mutant].driver
        if not issubclass(wrong, kind):
            raise ValueError(f"{mutant} is no mutant of the driver {name}")
        kind = wrong
    folder.mkdir(parents=True, exist_ok=True)
    driver: ZygoteDriver | CriuDriver
    if issubclass(kind, CriuDriver):
        await detect(folder / "detection", criu)
        driver = kind(node, folder / "artifacts", criu=criu)
    else:
        driver = kind(node, folder / "artifacts")
    try:
        yield driver
    finally:
        await driver.close()
