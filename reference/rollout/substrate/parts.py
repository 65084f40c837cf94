"""What a substrate is put together from: the right parts, or with mutants in their place."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from lightkube import AsyncClient

from reference.rollout.substrate.golden import GoldenMachine
from reference.rollout.substrate.operations import Operations
from reference.rollout.substrate.router import Router
from reference.rollout.substrate.service import ControlService


async def _nothing(_client: AsyncClient) -> None:
    """The right substrate changes nothing of the cluster before it starts."""


@dataclass(frozen=True)
class Parts:
    """Classes, and what happens before they are used."""

    operations: type[Operations] = Operations
    golden: type[GoldenMachine] = GoldenMachine
    service: type[ControlService] = ControlService
    router: type[Router] = Router
    golden_cleanup: bool = False
    prepare: Callable[[AsyncClient], Awaitable[None]] = _nothing
