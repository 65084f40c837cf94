"""What a substrate is put together from: the right parts, or with mutants in their place."""

from __future__ import annotations

from dataclasses import dataclass

from reference.rollout.substrate.golden import GoldenMachine
from reference.rollout.substrate.operations import Operations
from reference.rollout.substrate.router import Router
from reference.rollout.substrate.service import ControlService


@dataclass(frozen=True)
class Parts:
    """Classes, and what of them is optional."""

    operations: type[Operations] = Operations
    golden: type[GoldenMachine] = GoldenMachine
    service: type[ControlService] = ControlService
    router: type[Router] = Router
    golden_cleanup: bool = False
