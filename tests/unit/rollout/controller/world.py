"""A small world for the controller: an API server, an ate-api, a golden machine and a clock, all in memory.

It knows the rules of contract section 8 for actors; everything that is changed is in one log, in order.
"""

from __future__ import annotations

import asyncio
import base64
import datetime
import uuid
from collections.abc import Mapping, Set
from dataclasses import replace
from typing import Any

import grpc
import grpc.aio

from fixtures.system.rollout.acts import boots
from reference.events import Recorder
from reference.rollout import leases
from reference.rollout.actors import LIVE, Actor, State
from reference.rollout.controller.api import Event, Lease, Secret
from reference.rollout.controller.dialect import Dialect
from reference.rollout.controller.holdings import IDLE
from reference.rollout.controller.objects import (
    is_controlled_by,
    is_marked,
    is_terminating,
    name_of,
    uid_of,
)
from reference.rollout.controller.passes import Outcome, Pass, Tools
from reference.rollout.controller.rendering import Images
from reference.rollout.kinds import ActorTemplate, ModelConfig, SandboxAgent
from tests.unit.fakeapi import NAMESPACE, Clock, FakeApi, Killed, Log

__all__ = ["NAMESPACE", "Clock", "FakeActors", "FakeApi", "Killed", "Log", "World", "rpc_error"]

IMAGES = Images("pause@sha256:0", "workload@sha256:0")
#: A schema that knows everything.
ANYTHING: Mapping[str, Any] = {}


def rpc_error(code: grpc.StatusCode, details: str) -> grpc.aio.AioRpcError:
    """What ate-api answers with."""
    return grpc.aio.AioRpcError(code, grpc.aio.Metadata(), grpc.aio.Metadata(), details=details)


class FakeActors:
    """ate-api in the flat shape."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self.actors: dict[str, Actor] = {}
        self.down = False
        self.calls: list[str] = []
        #: The next calls of a method are refused with this code, by method.
        self.refused: dict[str, grpc.StatusCode] = {}

    async def list(self) -> list[Actor]:
        self._called("list")
        return list(self.actors.values())

    async def get(self, atespace: str, actor: str) -> Actor | None:
        self._called("get")
        return self.actors.get(actor)

    async def resume(self, atespace: str, actor: str) -> Actor:
        return self._moved("resume", actor, State.RUNNING, {State.SUSPENDED, State.UNSPECIFIED, State.PAUSED})

    async def suspend(self, atespace: str, actor: str) -> Actor:
        return self._moved("suspend", actor, State.SUSPENDED, {State.RUNNING, State.RESUMING})

    async def delete(self, atespace: str, actor: str) -> None:
        self._moved("delete-actor", actor, State.SUSPENDED, IDLE)
        del self.actors[actor]

    def add(self, actor: str, template: str, state: State) -> None:
        """An actor, in a state."""
        self.actors[actor] = Actor(actor, state, NAMESPACE, template)

    def set(self, actor: str, state: State) -> None:
        """Another state of an actor."""
        self.actors[actor] = replace(self.actors[actor], state=state)

    def _called(self, method: str) -> None:
        self.calls.append(method)
        if self.down:
            raise rpc_error(grpc.StatusCode.UNAVAILABLE, "down")
        if method in self.refused:
            raise rpc_error(self.refused[method], "refused")

    def _moved(self, method: str, actor: str, to: State, allowed: Set[State]) -> Actor:
        self._called(method)
        if actor not in self.actors:
            raise rpc_error(grpc.StatusCode.NOT_FOUND, f"Actor {actor} not found")
        if self.actors[actor].state not in allowed:
            raise rpc_error(
                grpc.StatusCode.FAILED_PRECONDITION, f"Actor {actor} is {self.actors[actor].state}"
            )
        self._log(method, actor)
        self.set(actor, to)
        return self.actors[actor]


class World:
    """One agent `my-agent` with ModelConfig `model`, and what reconciles it."""

    def __init__(self, dialect: Dialect, agent: str = "my-agent") -> None:
        self.clock = Clock()
        self.log = Log()
        self.api = FakeApi(self.clock, self.log)
        self.ate = FakeActors(self.log)
        self.dialect = dialect
        self.agent_name = agent
        self._loop = asyncio.new_event_loop()
        self.tools = Tools(
            self.api,  # type: ignore[arg-type]
            self.ate,  # type: ignore[arg-type]
            Recorder(self.api, self.clock, datetime.timedelta(seconds=60), "rollout"),  # type: ignore[arg-type]
            dialect.rendering(IMAGES, ANYTHING),
            self.clock,
            300,
        )
        self.create(ModelConfig, {"metadata": {"name": "model"}, "spec": {"model": "m1"}})
        self.create_agent()

    def close(self) -> None:
        """Give the event loop back."""
        self._loop.close()

    def create(self, kind: Any, body: Mapping[str, Any]) -> None:
        """Create an object as a user does."""
        self._run(self.api.create(kind, body))
        self.log.entries.clear()

    def create_agent(self) -> None:
        """Create the agent."""
        spec = {
            "type": "Declarative",
            "platform": "substrate",
            "declarative": {"modelConfig": "model", "systemMessage": "s1"},
            "substrate": {"workerPoolRef": {"name": "pool"}},
        }
        self.create(SandboxAgent, {"metadata": {"name": self.agent_name}, "spec": spec})

    # -- the controller ----------------------------------------------------

    def reconcile(self) -> Outcome:
        """One pass; Killed if it was."""
        agent = self._run(self.api.get(SandboxAgent, NAMESPACE, self.agent_name))
        if agent is None:
            return Outcome.DONE
        outcome: Outcome = self._run(self.dialect.flow.run(Pass(agent, self.dialect, self.tools)))
        self.dialect.flow.again(outcome, 10)
        return outcome

    def settle(self, passes: int = 30) -> None:
        """Passes, requeues and golden builds until nothing is left to do."""
        for _ in range(passes):
            outcome = self.reconcile()
            built = self.build_all()
            self.clock.advance(10 if outcome is Outcome.AGAIN else 0.2)
            if outcome is Outcome.DONE and not built:
                return
        raise AssertionError(f"not settled after {passes} passes: {self.log.entries[-20:]}")

    def settle_held(self, passes: int = 5) -> None:
        """A few passes and golden builds, where something keeps them from coming to an end."""
        for _ in range(passes):
            self.reconcile()
            self.build_all()
            self.clock.advance(10)

    def _run(self, work: Any) -> Any:
        return self._loop.run_until_complete(work)

    # -- users -------------------------------------------------------------

    @property
    def agent(self) -> dict[str, Any]:
        """The agent."""
        return self.api.objects["SandboxAgent", self.agent_name]

    def say(self, message: str) -> None:
        """Edit the agent's system message."""
        self.api.edit(SandboxAgent, self.agent_name, {"spec": {"declarative": {"systemMessage": message}}})

    @property
    def message_said(self) -> str:
        """The agent's system message as it is now."""
        return str(self.agent["spec"]["declarative"]["systemMessage"])

    def use_model(self, model: str) -> None:
        """Edit the ModelConfig, which leaves the agent's generation alone."""
        self.api.edit(ModelConfig, "model", {"spec": {"model": model}})

    @property
    def model(self) -> str:
        """The model that the ModelConfig names now."""
        return str(self.api.objects["ModelConfig", "model"]["spec"]["model"])

    def config_of(self, template: str) -> str:
        """The config that a template's workload gets."""
        data = self.api.objects["Secret", template]["data"]
        return base64.b64decode(data["config.json"]).decode()

    def delete_agent(self) -> None:
        """Delete the agent."""
        self.api.remove(SandboxAgent, self.agent_name)

    def condition(self, type_: str) -> tuple[str, str]:
        """Status and reason of one condition."""
        found = next(c for c in self.agent["status"]["conditions"] if c["type"] == type_)
        return found["status"], found["reason"]

    def message(self, type_: str) -> str:
        """The message of one condition."""
        return str(next(c for c in self.agent["status"]["conditions"] if c["type"] == type_)["message"])

    def events(self) -> list[tuple[str, str, int]]:
        """Reason, message and count of the Events."""
        return [(e["reason"], e["message"], e["count"]) for e in self.api.all(Event)]

    # -- templates and goldens ---------------------------------------------

    @property
    def templates(self) -> list[dict[str, Any]]:
        """The agent's templates, oldest first."""
        found = [t for t in self.api.all(ActorTemplate) if is_controlled_by(t, uid_of(self.agent))]
        return sorted(found, key=lambda t: int(t["metadata"]["annotations"].get("order", 0)))

    @property
    def names(self) -> list[str]:
        """The names of all templates."""
        return [name_of(t) for t in self.api.all(ActorTemplate)]

    @property
    def desired(self) -> str:
        """The name of the template of the config as it is now, which has to exist."""
        ordered = self.dialect.order(self.api.all(ActorTemplate))
        return name_of(ordered[0])

    @property
    def active(self) -> dict[str, Any] | None:
        """The template that new work goes to, as the gateway finds it."""
        ordered = self.dialect.order(self.api.all(ActorTemplate))
        return next((t for t in ordered if t.get("status", {}).get("phase") == "Ready"), None)

    def mint(self, template: str) -> str:
        """The golden machine creates the golden and says so."""
        golden = str(uuid.uuid4())
        self.ate.add(golden, template, State.RUNNING)
        status = {"phase": "ResumeGoldenActor", "goldenActorID": golden}
        self.api.edit(ActorTemplate, template, {"status": status})
        return golden

    def build(self, template: str) -> str:
        """The golden machine builds the golden of a template to its end."""
        status = self.api.objects["ActorTemplate", template].get("status", {})
        golden = status.get("goldenActorID") or self.mint(template)
        self.ate.set(golden, State.SUSPENDED)
        ready = {"phase": "Ready", "goldenSnapshot": f"gs://{golden}"}
        self.api.edit(ActorTemplate, template, {"status": ready})
        return str(golden)

    def boots(self, template: str) -> bool:
        """Whether the workload of a template becomes ready with the config that it gets."""
        return ("Secret", template) not in self.api.objects or boots(self.config_of(template))

    def build_at_its_mark(self, template: str) -> None:
        """The golden machine ends a build between the mark of a template and the next look at it."""

        def after(found: Mapping[str, Any]) -> None:
            if name_of(found) == template and is_marked(found):
                self.api.after_patch = lambda _: None
                self.build(template)

        self.api.after_patch = after

    def minted_at_its_deletion(self) -> str:
        """A second template, not built yet, whose golden is minted right before it is deleted; its name."""
        self.settle()
        self.use_model("m2")
        self.reconcile()
        unborn = self.desired

        def before(found: Mapping[str, Any]) -> None:
            if name_of(found) == unborn:
                self.api.before_delete = lambda _: None
                self.mint(unborn)

        self.api.before_delete = before
        return unborn

    def build_all(self) -> bool:
        """Build every golden that can be; whether there was one."""
        built = False
        for template in self.api.all(ActorTemplate):
            status = template.get("status", {})
            lost = status.get("goldenActorID") and status["goldenActorID"] not in self.ate.actors
            waits = status.get("phase") != "Ready" and not lost and not is_terminating(template)
            if waits and self.boots(name_of(template)):
                self.build(name_of(template))
                built = True
        return built

    # -- requests ----------------------------------------------------------

    def take_lease(self, template: str, gateway: str = "gw") -> bool:
        """A gateway takes a lease and looks at the template; False if it has to resolve anew."""
        body = leases.lease(gateway, NAMESPACE, template, self.clock())
        key = "Lease", leases.lease_name(gateway, template)
        if key in self.api.objects:
            self.api.edit(Lease, key[1], {"spec": body["spec"]})
        else:
            self._run(self.api.create(Lease, body))
            self.log.entries.pop()
        found = self.api.objects.get(("ActorTemplate", template))
        if found is None or is_terminating(found) or is_marked(found):
            self.drop_lease(template, gateway)
            return False
        return True

    def drop_lease(self, template: str, gateway: str = "gw") -> None:
        """A gateway gives a lease back."""
        self.api.objects.pop(("Lease", leases.lease_name(gateway, template)), None)

    def live(self) -> list[Actor]:
        """The session actors that run, or may."""
        return [a for a in self.ate.actors.values() if a.id.startswith("asr-") and a.state in LIVE]

    def secrets(self) -> list[str]:
        """The names of the Secrets."""
        return [name_of(s) for s in self.api.all(Secret)]
