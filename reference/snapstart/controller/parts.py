"""What the controller is made of: the rules that a mutant replaces."""

from __future__ import annotations

from dataclasses import dataclass, field

from reference.snapstart.controller.builds import Builds
from reference.snapstart.controller.facts import Checks
from reference.snapstart.controller.flow import Flow
from reference.snapstart.controller.placement import Placement
from reference.snapstart.controller.planner import Planner
from reference.snapstart.controller.statuses import Statuses
from reference.snapstart.controller.templates import Templates
from reference.snapstart.controller.webhook import Webhook
from reference.snapstart.hashing import Hashing


@dataclass(frozen=True)
class Parts:
    """The rules of one controller."""

    checks: Checks = field(default_factory=Checks)
    hashing: Hashing = field(default_factory=Hashing)
    placement: Placement = field(default_factory=Placement)
    planner: type[Planner] = Planner
    builds: Builds = field(default_factory=Builds)
    statuses: Statuses = field(default_factory=Statuses)
    flow: Flow = field(default_factory=Flow)
    webhook: type[Webhook] = Webhook
    templates: type[Templates] = Templates
