"""One pass over one agent: what it works on, what it works with, and how soon the next one has to follow."""

from __future__ import annotations

import datetime
import logging
from collections.abc import Callable, MutableMapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING, Any

from reference.events import Recorder
from reference.rollout import names
from reference.rollout.actors import Actors
from reference.rollout.controller.api import Api
from reference.rollout.controller.inputs import InputRef
from reference.rollout.controller.objects import Object, name_of, namespace_of, uid_of
from reference.rollout.controller.rendering import Rendering
from reference.rollout.kinds import ActorTemplate

if TYPE_CHECKING:
    from reference.rollout.controller.dialect import Dialect


class Outcome(IntEnum):
    """How a pass ended; the greater, the sooner the next one."""

    #: Nothing to do until something changes that is watched.
    DONE = 0
    #: Something that is not watched has to change: actors, or what failed.
    AGAIN = 1
    #: A step was taken, the next one can be.
    PROGRESS = 2


@dataclass(frozen=True)
class Tools:
    """What all passes work with. Times in seconds."""

    api: Api
    actors: Actors
    events: Recorder
    rendering: Rendering
    now: Callable[[], datetime.datetime]
    #: From the deletion of an agent until its finalizer goes in any case.
    delete_cap: float


@dataclass
class Pass:
    """One pass over one agent."""

    agent: Object
    dialect: Dialect
    tools: Tools
    #: The inputs that this pass asked for, also those that are missing.
    inputs: set[InputRef] = field(default_factory=set)

    @property
    def api(self) -> Api:
        """The API server."""
        return self.tools.api

    @property
    def actors(self) -> Actors:
        """ate-api."""
        return self.tools.actors

    @property
    def namespace(self) -> str:
        """The agent's namespace."""
        return namespace_of(self.agent)

    @property
    def uid(self) -> str:
        """The agent's UID."""
        return uid_of(self.agent)

    @property
    def log(self) -> logging.LoggerAdapter[logging.Logger]:
        """A log whose records name the agent."""
        return _Named(_LOG, {"agent": f"{self.namespace}/{name_of(self.agent)}"})

    async def templates(self) -> list[Object]:
        """The agent's templates, terminating and marked ones included, as the API server has them now."""
        if len(name_of(self.agent)) > names.LABEL_LENGTH:
            return []  # Such a name cannot be a label, so nothing carries it.
        found = await self.api.list(ActorTemplate, self.namespace, {names.AGENT_LABEL: name_of(self.agent)})
        return [template for template in found if self.dialect.owns(self.agent, template)]


_LOG = logging.getLogger("reference.rollout.controller")


class _Named(logging.LoggerAdapter[logging.Logger]):
    def process(self, msg: Any, kwargs: MutableMapping[str, Any]) -> tuple[Any, MutableMapping[str, Any]]:
        kwargs["extra"] = {**(self.extra or {}), **kwargs.get("extra", {})}
        return msg, kwargs
