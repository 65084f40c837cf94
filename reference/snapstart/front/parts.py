"""What the front is made of: the rules that a mutant replaces."""

from __future__ import annotations

from dataclasses import dataclass, field

from reference.snapstart.front.lookup import Lookup
from reference.snapstart.front.pools import Pools
from reference.snapstart.front.server import Front
from reference.snapstart.front.sessions import Sessions
from reference.snapstart.hashing import Hashing


@dataclass(frozen=True)
class Parts:
    """The rules of one front."""

    hashing: Hashing = field(default_factory=Hashing)
    lookup: type[Lookup] = Lookup
    pools: type[Pools] = Pools
    sessions: type[Sessions] = Sessions
    front: type[Front] = Front
