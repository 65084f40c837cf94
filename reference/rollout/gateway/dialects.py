"""How the dialects differ in the gateway: from session to actor, and what happens around a turn."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from reference.informer import Object
from reference.rollout import names, roles
from reference.rollout.gateway.objects import labelled, owned
from reference.rollout.roles import Template


@dataclass(frozen=True)
class Dialect:
    """What one dialect does (contract sections 3, 5 and 6)."""

    name: str
    #: The templates of an agent among those of its namespace.
    templates: Callable[[Iterable[Template], Object], list[Template]]
    #: The actor of a session: (namespace, agent, UID of the agent, short hash, session).
    actor: Callable[[str, str, str, str, str], str]
    #: Whether a session stays on the template that its actor was born with (K3, API v2).
    pins_sessions: bool = False
    #: Whether a request waits for a free worker (C10).
    buffers: bool = False
    #: Whether requests take leases, and resolve anew where the template is gone (5.1 step 2, RO-3).
    leases: bool = False
    #: Whether the turns on an actor are counted, so that only the last one suspends it (C11).
    counts_turns: bool = False
    #: Whether the actor to suspend is worked out anew when the body has ended (defect D2).
    recomputes: bool = False
    #: Whether paused actors are resumed (C12).
    resumes_paused: bool = False
    #: Whether a creation is followed by the removal of the agent's other suspended actors (K2-5).
    reaps_after_create: bool = False

    def resolve(self, templates: Iterable[Template], agent: Object) -> Template | None:
        """The template for new work: the active one, else the newest; None without any (C6)."""
        mine = self.templates(templates, agent)
        return roles.active(mine, self.name) or next(iter(roles.in_order(mine, self.name)), None)

    def actor_on(self, template: Template, agent: Object, session: str) -> str:
        """The id of a session's actor on a template."""
        return self._actor(agent, _hash(template), session)

    def actors_of(self, templates: Iterable[Template], agent: Object, session: str) -> list[str]:
        """The ids of all actors that a session can have: one per template, and one of no config (K2-4)."""
        hashes = {_hash(template) for template in self.templates(templates, agent)}
        return sorted({self._actor(agent, short, session) for short in ("", *hashes)})

    def _actor(self, agent: Object, short: str, session: str) -> str:
        metadata = agent["metadata"]
        return self.actor(metadata["namespace"], metadata["name"], metadata["uid"], short, session)


def _hash(template: Template) -> str:
    return str((template["metadata"].get("annotations") or {}).get(names.CONFIG_HASH_ANNOTATION, ""))


def _safe(namespace: str, agent: str, _uid: str, short: str, session: str) -> str:
    return names.safe_actor_id(namespace, agent, short, session)


def _pinned(namespace: str, agent: str, uid: str, _short: str, session: str) -> str:
    return names.pinned_actor_id(namespace, agent, uid, session)


def _refcount(namespace: str, agent: str, _uid: str, _short: str, session: str) -> str:
    """An id without the config, as the UUIDs of API v2 are; made of what is known, so it is always found."""
    return names.safe_actor_id(namespace, agent, "", session)


DIALECTS = {
    dialect.name: dialect
    for dialect in (
        Dialect(
            "v1_safe",
            owned,
            _safe,
            buffers=True,
            leases=True,
            counts_turns=True,
            resumes_paused=True,
        ),
        Dialect("v1", labelled, names.v1_actor_id, buffers=True, recomputes=True),
        Dialect("retain", labelled, names.v1_actor_id, recomputes=True, reaps_after_create=True),
        Dialect("pinned", labelled, _pinned, pins_sessions=True, resumes_paused=True),
        Dialect(
            "refcount",
            owned,
            _refcount,
            pins_sessions=True,
            buffers=True,
            leases=True,
            counts_turns=True,
            resumes_paused=True,
        ),
    )
}
