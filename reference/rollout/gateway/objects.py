"""What the gateway knows of agents and templates, and whose templates are whose."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from lightkube import ApiError, AsyncClient

from reference.informer import ALL_NAMESPACES, Informer, Informers, Object
from reference.rollout.kinds import ActorTemplate, SandboxAgent
from reference.rollout.names import AGENT_LABEL
from reference.rollout.roles import Template


class Objects:
    """The agents and templates of some namespaces; an empty list of them means all."""

    def __init__(self, client: AsyncClient, namespaces: Sequence[str]) -> None:
        self._client = client
        scopes = namespaces or (ALL_NAMESPACES,)
        self._agents = [Informer(client, SandboxAgent, scope) for scope in scopes]
        self._templates = [Informer(client, ActorTemplate, scope) for scope in scopes]
        #: What keeps them up to date.
        self.informers = Informers(*self._agents, *self._templates)

    async def agent(self, namespace: str, name: str) -> Object | None:
        """An agent that is not being deleted; one of which no watch has told yet is asked for.

        Raises ApiError, HTTPError.
        """
        found = _first(informer.get(namespace, name) for informer in self._agents)
        if found is None:
            try:
                found = dict(await self._client.get(SandboxAgent, name, namespace=namespace))
            except ApiError as err:
                if err.status.code != 404:
                    raise
        return None if found is None or "deletionTimestamp" in found["metadata"] else found

    def templates(self, namespace: str) -> list[Template]:
        """All templates of a namespace."""
        return [found for informer in self._templates for found in informer.list(namespace)]

    def template(self, namespace: str, name: str) -> Template | None:
        """One template."""
        return _first(informer.get(namespace, name) for informer in self._templates)


def labelled(templates: Iterable[Template], agent: Object) -> list[Template]:
    """Those that carry the agent's name (V1 to K4)."""
    name = agent["metadata"]["name"]
    return [t for t in templates if (t["metadata"].get("labels") or {}).get(AGENT_LABEL) == name]


def owned(templates: Iterable[Template], agent: Object) -> list[Template]:
    """Those that this very agent controls (v1_safe, contract section 5 (g))."""
    uid = agent["metadata"]["uid"]
    return [
        t
        for t in templates
        if any(o.get("controller") and o["uid"] == uid for o in t["metadata"].get("ownerReferences") or ())
    ]


def _first(found: Iterable[Object | None]) -> Object | None:
    return next((one for one in found if one is not None), None)
