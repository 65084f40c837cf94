"""Wrong drivers: one deviation each, told in its title, and the contract rows that must notice it.

Deviations of what is captured are those of `reference.snapstart.runtime.mutants`.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from math import inf
from pathlib import Path
from typing import Any, Final

import aiohttp

from reference.snapstart.drivers.criu import CriuDriver
from reference.snapstart.drivers.driver import Artifact, CreateRequest, Instance, Launch, NoArtifact, Source
from reference.snapstart.drivers.index import Index, Record
from reference.snapstart.drivers.proof import NotYetError, ProofLimits, Prover, SenselessError
from reference.snapstart.drivers.zygote import ZygoteDriver


class NoProof(Prover):
    """Whatever the build process is doing will be all right."""

    async def prove(self, source: Source) -> None:
        """Nothing."""


class Unproven(ZygoteDriver):
    """M1: an artifact is made without proof of the safe point (with `unproven` of runtimes)."""

    prover = NoProof


class NoNamespace(ZygoteDriver):
    """M21: artifacts are known by their key alone."""

    async def create(self, request: CreateRequest) -> Artifact:
        """For everybody."""
        made = await super().create(replace(request, namespace=""))
        return replace(made, namespace=request.namespace)

    async def delete(self, namespace: str, key: str) -> None:
        """Everybody's."""
        await super().delete("", key)

    async def inspect(self, namespace: str, key: str) -> Artifact | None:
        """Anybody's."""
        found = await super().inspect("", key)
        return found and replace(found, namespace=namespace)

    async def restore(self, namespace: str, key: str, launch: Launch) -> Instance:
        """Anybody's."""
        return await super().restore("", key, launch)


class Replacing(Index):
    """See `HalfArtifact`."""

    def complete(self, begun: Path, record: Record) -> None:
        """Whatever was there before."""
        self.remove(record.artifact.namespace, record.artifact.key)
        super().complete(begun, record)


class HalfArtifact(ZygoteDriver):
    """M22: an artifact is recorded before it is made, and believed ever after."""

    index = Replacing

    async def _capture(self, request: CreateRequest) -> Artifact:
        now = datetime.datetime.now(datetime.UTC)
        name, key = request.namespace, request.snapshot_key
        hoped = Artifact(name, key, request.snapshot_hash, "", 0, now, self._node)
        self._index.complete(self._index.begin(), Record(hoped))
        return await super()._capture(request)

    async def restore(self, namespace: str, key: str, launch: Launch) -> Instance:
        """See ZygoteDriver, if the template is there."""
        if (namespace, key) not in self._templates:
            raise NoArtifact(f"no template for the key {key!r}, whatever its record says")
        return await super().restore(namespace, key, launch)

    async def inspect(self, namespace: str, key: str) -> Artifact | None:
        """What was recorded."""
        record = self._index.get(namespace, key)
        return None if record is None else record.artifact

    async def list(self) -> Sequence[Artifact]:
        """What was recorded."""
        return [record.artifact for record in self._index.all()]

    def _recover(self) -> None:
        """What was recorded must be there."""


class Careless(Index):
    """See `Unwritten`."""

    def complete(self, begun: Path, record: Record) -> None:
        """However much of it could be written."""
        with suppress(OSError):
            (begun / "artifact.json").write_text(record.to_json())
        begun.rename(self.place(record.artifact.namespace, record.artifact.key))


class Unwritten(ZygoteDriver):
    """An artifact is there although its record could not be written entirely."""

    index = Careless


class EndlessProver(Prover):
    """Some day the page will be there."""

    def __init__(self, limits: ProofLimits) -> None:
        super().__init__(replace(limits, ready_s=inf))

    async def _page(self, http: aiohttp.ClientSession, url: str) -> Mapping[str, Any]:
        try:
            return await super()._page(http, url)
        except SenselessError as err:
            raise NotYetError(str(err)) from err


class EndlessRetry(ZygoteDriver):
    """M58: a status page that is not there is asked for again for ever."""

    prover = EndlessProver


class SharedSockets(CriuDriver):
    """M60: concurrent restores meet in one folder for their sockets."""

    def _own_folder(self) -> Path:
        shared = self._run / "shared"
        shared.mkdir(parents=True, exist_ok=True)
        return shared


@dataclass(frozen=True)
class Mutant:
    """A deviation, and the rows that must notice it."""

    driver: type[ZygoteDriver] | type[CriuDriver]
    breaks: tuple[str, ...]


MUTANTS: Final[Mapping[str, Mutant]] = {
    "unproven": Mutant(Unproven, ("SS-F6", "SS-B7")),
    "no-namespace": Mutant(NoNamespace, ("SS-K1", "SS-K4")),
    "half-artifact": Mutant(HalfArtifact, ("SS-K5",)),
    "endless-retry": Mutant(EndlessRetry, ("RW-8",)),
    "unwritten": Mutant(Unwritten, ("SS-X6",)),
    "shared-sockets": Mutant(SharedSockets, ("SS-P5",)),
}
