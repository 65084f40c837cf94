"""Where a session is to be, as variables of its injection that its environment does not keep.

A host that gives none of them leaves the session where the runtime waited: same address, workspace and
output.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

LISTEN: Final = "SNAPSTART_LISTEN"
WORKSPACE: Final = "SNAPSTART_WORKSPACE"
LOG: Final = "SNAPSTART_LOG"
CLOCK: Final = "SNAPSTART_CLOCK_NS"
NAMES: Final = (LISTEN, WORKSPACE, LOG, CLOCK)


@dataclass(frozen=True)
class Placement:
    """Address and port to listen on, an existing folder to work in, a file to write output to.

    clock_ns: the host's CLOCK_MONOTONIC when it said so. A process that comes from an image has a clock of
    its
        own, which stood still while it was on disk.
    """

    listen: tuple[str, int] | None = None
    workspace: Path | None = None
    log: Path | None = None
    clock_ns: int = 0

    @classmethod
    def of(cls, variables: Mapping[str, str]) -> Self:
        """From variables. Raises ValueError."""
        listen = None
        if LISTEN in variables:
            host, _, port = variables[LISTEN].rpartition(":")
            if not host or not port.isdecimal() or not 0 < int(port) < 65536:
                raise ValueError(f"{LISTEN}={variables[LISTEN]!r} is not host:port")
            listen = (host, int(port))
        workspace, log = (Path(variables[name]) if name in variables else None for name in (WORKSPACE, LOG))
        for path in (workspace, log):
            if path is not None and not path.is_absolute():
                raise ValueError(f"{path} is not an absolute path")
        return cls(listen, workspace, log, int(variables.get(CLOCK, "0")))

    def variables(self) -> dict[str, str]:
        """As variables."""
        found = {}
        if self.listen is not None:
            found[LISTEN] = f"{self.listen[0]}:{self.listen[1]}"
        if self.workspace is not None:
            found[WORKSPACE] = str(self.workspace)
        if self.log is not None:
            found[LOG] = str(self.log)
        if self.clock_ns:
            found[CLOCK] = str(self.clock_ns)
        return found
