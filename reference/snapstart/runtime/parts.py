"""What a runtime is put together from: the right parts, or with mutants in their place."""

from __future__ import annotations

from dataclasses import dataclass

from reference.snapstart.inject.machine import RuntimeSide
from reference.snapstart.runtime.api import Runtime
from reference.snapstart.runtime.exposed import Exposed
from reference.snapstart.runtime.injection import Injection
from reference.snapstart.runtime.reseed import Reseeding
from reference.snapstart.runtime.safepoint import SafePoint
from reference.snapstart.runtime.template import Template


@dataclass(frozen=True)
class Parts:
    """Classes."""

    runtime: type[Runtime] = Runtime
    side: type[RuntimeSide] = RuntimeSide
    injection: type[Injection] = Injection
    reseeding: type[Reseeding] = Reseeding
    safe_point: type[SafePoint] = SafePoint
    template: type[Template] = Template
    exposed: type[Exposed] = Exposed
