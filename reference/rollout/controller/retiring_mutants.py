"""Controllers that retire or reap wrongly on purpose (contract section 10); `mutants` has their names.

Each class says its lie in the first line.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import grpc.aio

from reference.rollout import names
from reference.rollout.actors import Actor, State
from reference.rollout.controller import conditions, plan
from reference.rollout.controller.firing import fired
from reference.rollout.controller.holdings import IDLE, Holdings
from reference.rollout.controller.objects import Object, golden_of, is_marked, name_of, was_ever_ready
from reference.rollout.controller.passes import Outcome, Pass
from reference.rollout.controller.plan import Roles
from reference.rollout.controller.retiring import RefcountRetiring, Retiring, SafeRetiring
from reference.rollout.controller.steps import tried
from reference.rollout.kinds import SandboxAgent


class NeverRetire(Retiring):
    """No template is ever retired."""

    async def retire(self, on: Pass, templates: Sequence[Object], desired: str | None) -> Outcome:
        if plan.assigned(on.dialect.order(templates), desired).superseded:
            fired("never-retire")
        return Outcome.DONE


class EarlyRetire(SafeRetiring):
    """Everything but the desired template is retired, though it is not Ready yet."""

    def candidates(self, found: Roles, templates: Sequence[Object]) -> list[Object]:
        ahead = found.active is not None and found.desired is not None and found.active is not found.desired
        if ahead:
            fired("early-retire")
        extra = [found.active] if ahead and found.active is not None else []
        return [*super().candidates(found, templates), *extra]

    def licensed(self, on: Pass, template: Object, ordered: Sequence[Object]) -> bool:
        return True


class RetireLast(SafeRetiring):
    """The only template of an agent is retired like any other."""

    def candidates(self, found: Roles, templates: Sequence[Object]) -> list[Object]:
        sole = [found.active] if found.active is not None and len(templates) == 1 else []
        if sole:
            fired("retire-last")
        return [*super().candidates(found, templates), *sole]

    def licensed(self, on: Pass, template: Object, ordered: Sequence[Object]) -> bool:
        return True


class RetireRevived(SafeRetiring):
    """The retirement of revive-retiring: a mark makes no candidate."""

    def candidates(self, found: Roles, templates: Sequence[Object]) -> list[Object]:
        return list(found.superseded)


class TemplateFirst(SafeRetiring):
    """The template is deleted before its golden, which nobody finds afterwards."""

    async def golden_is_gone(self, on: Pass, template: Object, held: Holdings) -> bool:
        fired("template-first")
        return True


class BurstStep(SafeRetiring):
    """A golden is suspended, deleted and taken for gone in one pass."""

    async def golden_is_gone(self, on: Pass, template: Object, held: Holdings) -> bool:
        for golden in self.goldens(template, held):
            fired("burst-step")
            for state in (State.RUNNING, State.SUSPENDED):
                await tried(on, dataclasses.replace(golden, state=state))
        return True


class StrandLive(SafeRetiring):
    """Nobody asks whether actors of a template live, or requests are on their way to it."""

    async def is_held(self, on: Pass, template: Object, held: Holdings) -> bool:
        if held.live(template) or held.requests(template):
            fired("strand-live")
        return False

    def sessions(self, on: Pass, template: Object, held: Holdings) -> list[Actor]:
        return [actor for actor in super().sessions(on, template, held) if actor.state in IDLE]


class ForceSuspend(SafeRetiring):
    """Session actors of superseded templates are suspended to be reaped, whatever they are doing."""

    async def reap(self, on: Pass, templates: Sequence[Object], held: Holdings) -> bool:
        for template in templates:
            for actor in held.live(template):
                fired("force-suspend")
                await tried(on, actor)
        return await super().reap(on, templates, held)


class ReapActive(SafeRetiring):
    """Idle session actors are reaped on every template, the active one included."""

    async def retire(self, on: Pass, templates: Sequence[Object], desired: str | None) -> Outcome:
        held = await self.holdings(on)
        if await super().reap(on, templates, held):
            fired("reap-active")
        return await super().retire(on, templates, desired)


class ReapFatal(SafeRetiring):
    """A session actor that cannot be reaped fails the pass, and the agent with it."""

    async def reap_one(self, on: Pass, actor: Actor) -> bool:
        try:
            await on.actors.delete(actor.atespace, actor.id)
        except grpc.aio.AioRpcError as err:
            fired("reap-fatal")
            failed = conditions.not_accepted(f"actor {actor.id}: {err.details()}")
            agent = await on.api.get(SandboxAgent, on.namespace, name_of(on.agent)) or on.agent
            status = conditions.status_of(agent, [failed], on.tools.now())
            if status is not None:
                await on.api.patch_status(SandboxAgent, agent, status)
            raise
        return True


class PrefixOwner(SafeRetiring):
    """An actor is the agent's if its id begins as the agent's do."""

    def sessions(self, on: Pass, template: Object, held: Holdings) -> list[Actor]:
        found = super().sessions(on, template, held)
        prefix = names.agent_prefix(on.namespace, name_of(on.agent), on.uid) + "-"
        strangers = [a for a in held.actors if a.id.startswith(prefix) and a not in held.of(template)]
        if strangers:
            fired("prefix-owner")
        return [*found, *strangers]


class ReapPrefixMiss(SafeRetiring):
    """Only actors with a readable id are seen, so hashed ones are left behind."""

    def sessions(self, on: Pass, template: Object, held: Holdings) -> list[Actor]:
        found = super().sessions(on, template, held)
        prefix = names.agent_prefix(on.namespace, name_of(on.agent), on.uid) + "-"
        seen = [actor for actor in found if actor.id.startswith(prefix)]
        if seen != found:
            fired("reap-prefix-miss")
        return seen


class GoldenByStatus(SafeRetiring):
    """Only the golden that the status names is deleted."""

    def goldens(self, template: Object, held: Holdings) -> list[Actor]:
        found = super().goldens(template, held)
        named = [golden for golden in found if golden.id == golden_of(template)]
        if named != found:
            fired("golden-by-status")
        return named


class SilentBlock(SafeRetiring):
    """Nothing says which actor keeps a template from being retired."""

    async def is_held(self, on: Pass, template: Object, held: Holdings) -> bool:
        if held.live(template):
            fired("silent-block")
        return bool(held.live(template)) or bool(held.requests(template))


class BlindMark(SafeRetiring):
    """What is marked is retired, whatever it has become meanwhile."""

    def licensed(self, on: Pass, template: Object, ordered: Sequence[Object]) -> bool:
        right = super().licensed(on, template, ordered)
        if is_marked(template) and not right:
            fired("blind-mark")
        return right or is_marked(template)


class NoWedge(SafeRetiring):
    """The retirement of wedge-nonready: what never became Ready is left alone."""

    def licensed(self, on: Pass, template: Object, ordered: Sequence[Object]) -> bool:
        return was_ever_ready(template) and super().licensed(on, template, ordered)


class CountLive(RefcountRetiring):
    """A session refers to its template only while it has a worker."""

    def sessions(self, on: Pass, template: Object, held: Holdings) -> list[Actor]:
        live = held.live(template)
        if live != super().sessions(on, template, held):
            fired("count-live")
        return live
