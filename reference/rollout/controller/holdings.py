"""What templates are held by: their actors, and requests on their way (contract 5.1, step 2)."""

from __future__ import annotations

import datetime
import re
from collections.abc import Sequence
from dataclasses import dataclass

from reference.rollout import leases
from reference.rollout.actors import GOLDEN_ATESPACE, LIVE, Actor, Actors, State
from reference.rollout.controller.api import Api, Lease
from reference.rollout.controller.objects import Object, golden_of, name_of, namespace_of

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)

#: States from which an actor can be deleted (SUB-6; a crashed one where a substrate knows that state).
IDLE = frozenset({State.SUSPENDED, State.UNSPECIFIED, State.CRASHED})


def is_golden(actor: Actor, template: Object) -> bool:
    """Whether an actor of a template is a golden: by its atespace; where there are none, by its id, a UUID.

    A template can have several: a substrate that could not write the status mints another one (D16).
    """
    if actor.atespace:
        return actor.atespace == GOLDEN_ATESPACE
    return actor.id == golden_of(template) or _UUID.fullmatch(actor.id) is not None


@dataclass(frozen=True)
class Holdings:
    """All actors, and the request leases of one namespace, at the time they were read."""

    actors: Sequence[Actor]
    leases: Sequence[Object]
    read_at: datetime.datetime

    def of(self, template: Object) -> list[Actor]:
        """The actors of a template, goldens included."""
        place = namespace_of(template), name_of(template)
        return [actor for actor in self.actors if (actor.template_namespace, actor.template) == place]

    def goldens(self, template: Object) -> list[Actor]:
        """The goldens of a template."""
        return [actor for actor in self.of(template) if is_golden(actor, template)]

    def sessions(self, template: Object) -> list[Actor]:
        """The session actors of a template."""
        return [actor for actor in self.of(template) if not is_golden(actor, template)]

    def live(self, template: Object) -> list[Actor]:
        """The session actors of a template that have a worker, or may have one."""
        return [actor for actor in self.sessions(template) if actor.state in LIVE]

    def requests(self, template: Object) -> list[str]:
        """The gateways that have requests on a template."""
        return leases.holders(self.leases, name_of(template), self.read_at)


async def read_holdings(api: Api, actors: Actors, namespace: str, now: datetime.datetime) -> Holdings:
    """Read leases, then actors: a request that is past its lease has its actor by then.

    Raises what the API server and ate-api raise.
    """
    found = await api.list(Lease, namespace, {leases.TEMPLATE_LABEL: None})
    return Holdings(await actors.list(), found, now)
