"""Controllers that do one thing wrong on purpose (contract section 10): overrides of a dialect's strategies.

Each class or function says its lie in the first line. A mutant that has acted is counted in FIRED, so that
a test that did not notice it can be told from one that never met it.
"""

from __future__ import annotations

import dataclasses
import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, TypeAlias

import grpc.aio
from prometheus_client import Counter

from reference.rollout import names, roles
from reference.rollout.actors import Actor, State
from reference.rollout.controller import conditions, plan
from reference.rollout.controller.applying import Applied, SafeApplying
from reference.rollout.controller.conditions import Condition
from reference.rollout.controller.deleting import Deleting, set_finalizer
from reference.rollout.controller.dialect import Dialect
from reference.rollout.controller.errors import NotAccepted
from reference.rollout.controller.flows import Flow, Seen
from reference.rollout.controller.holdings import IDLE, Holdings
from reference.rollout.controller.inputs import Inputs
from reference.rollout.controller.objects import (
    Object,
    annotations_of,
    generation_of,
    golden_of,
    is_marked,
    is_terminating,
    name_of,
    unmarked,
    was_ever_ready,
)
from reference.rollout.controller.passes import Outcome, Pass
from reference.rollout.controller.plan import Roles
from reference.rollout.controller.rendering import SafeRendering, Workload, hash_parts
from reference.rollout.controller.retiring import Retiring, SafeRetiring
from reference.rollout.controller.steps import tried
from reference.rollout.kinds import ActorTemplate, SandboxAgent

Mutant: TypeAlias = Callable[[Dialect], Dialect]

#: How often each mutant did what it is for.
FIRED: Final = Counter("rollout_mutant_fired", "Wrong acts by mutant.", ["mutant"], registry=None)


def _fired(mutant: str) -> None:
    FIRED.labels(mutant).inc()


# -- rendering: names and hashes ------------------------------------------


class Churn(SafeRendering):
    """A nonce is in the hash, so every pass has another config."""

    def config_hash(self, agent: Object, load: Workload, inputs: Inputs) -> int:
        _fired("churn")
        return names.framed_hash([secrets.token_bytes(8)])


class ConcatHash(SafeRendering):
    """The parts of the hash are joined without separators."""

    def config_hash(self, agent: Object, load: Workload, inputs: Inputs) -> int:
        _fired("concat-hash")
        return names.joined_hash([*hash_parts(load, inputs), self._shape(agent, load)])


class NameCut(SafeRendering):
    """A template's name is cut at 63 characters after the hash was added."""

    def template_name(self, agent: str, short: str) -> str:
        cut = names.truncated(f"{agent}-{short}", names.LABEL_LENGTH)
        if cut != names.template_name(agent, short):
            _fired("name-cut")
        return cut


class SharedSecret(SafeRendering):
    """All templates of an agent take their config from one Secret, which the next config overwrites."""

    def secret_name(self, agent: Object, template: str) -> str:
        _fired("shared-secret")
        return name_of(agent)


class OneName(SafeRendering):
    """The rendering of in-place-update: a template's name says nothing of its config."""

    def template_name(self, agent: str, short: str) -> str:
        return names.template_name(agent, "")


class Unchecked(SafeRendering):
    """The rendering of label-loop: nobody looks at the length of a name."""

    def check_name(self, agent: Object) -> None:
        try:
            super().check_name(agent)
        except NotAccepted:
            _fired("label-loop")


# -- applying -------------------------------------------------------------


class InPlaceUpdate(SafeApplying):
    """A changed config replaces the template under the same name."""

    async def apply(self, on: Pass, rendered: Any) -> Applied:
        found = await on.api.get(ActorTemplate, on.namespace, rendered.name)
        wanted = rendered.annotations[names.CONFIG_HASH_ANNOTATION]
        if found is not None and annotations_of(found).get(names.CONFIG_HASH_ANNOTATION) != wanted:
            _fired("in-place-update")
            await on.api.delete(ActorTemplate, found)
        return await super().apply(on, rendered)


class AdoptForeign(SafeApplying):
    """A template of the right name is taken for the agent's, whoever controls it."""

    def check_owner(self, on: Pass, found: Object) -> None:
        try:
            super().check_owner(on, found)
        except NotAccepted:
            _fired("adopt-foreign")


class SharedSecretApplying(SafeApplying):
    """The application of shared-secret: the Secret stays the agent's."""

    def check_secret(self, on: Pass, found: Object, template: Object | None) -> None:
        return None

    async def give_secret(self, on: Pass, secret: Object, template: Object) -> None:
        return None


class GenerationOnly(SafeApplying):
    """The place in the order is the agent's generation, which an edit of an input does not raise."""

    def generation(self, on: Pass, others: list[Object]) -> int:
        place = generation_of(on.agent)
        if place != super().generation(on, others):
            _fired("generation-only")
        return place

    async def raise_generation(self, on: Pass, found: Object, place: int) -> None:
        if roles.desired_generation(found) < place:
            await super().raise_generation(on, found, place)


class Reviving(SafeApplying):
    """The application of revive-retiring: a template that is marked is as good as any."""

    def is_usable(self, found: Object) -> bool:
        return not is_terminating(found)


# -- retiring -------------------------------------------------------------


class NeverRetire(Retiring):
    """No template is ever retired."""

    async def retire(self, on: Pass, templates: Sequence[Object], desired: str | None) -> Outcome:
        if plan.assigned(on.dialect.order(templates), desired).superseded:
            _fired("never-retire")
        return Outcome.DONE


class EarlyRetire(SafeRetiring):
    """Everything but the desired template is retired, though it is not Ready yet."""

    def candidates(self, found: Roles, templates: Sequence[Object]) -> list[Object]:
        ahead = found.active is not None and found.desired is not None and found.active is not found.desired
        if ahead:
            _fired("early-retire")
        extra = [found.active] if ahead and found.active is not None else []
        return [*super().candidates(found, templates), *extra]

    def licensed(self, on: Pass, template: Object, ordered: Sequence[Object]) -> bool:
        return True


class RetireLast(SafeRetiring):
    """The only template of an agent is retired like any other."""

    def candidates(self, found: Roles, templates: Sequence[Object]) -> list[Object]:
        sole = [found.active] if found.active is not None and len(templates) == 1 else []
        if sole:
            _fired("retire-last")
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
        _fired("template-first")
        return True


class BurstStep(SafeRetiring):
    """A golden is suspended, deleted and taken for gone in one pass."""

    async def golden_is_gone(self, on: Pass, template: Object, held: Holdings) -> bool:
        for golden in self.goldens(template, held):
            _fired("burst-step")
            for state in (State.RUNNING, State.SUSPENDED):
                await tried(on, dataclasses.replace(golden, state=state))
        return True


class StrandLive(SafeRetiring):
    """Nobody asks whether actors of a template live, or requests are on their way to it."""

    async def is_held(self, on: Pass, template: Object, held: Holdings) -> bool:
        if held.live(template) or held.requests(template):
            _fired("strand-live")
        return False

    def sessions(self, on: Pass, template: Object, held: Holdings) -> list[Actor]:
        return [actor for actor in super().sessions(on, template, held) if actor.state in IDLE]


class ForceSuspend(SafeRetiring):
    """Session actors of superseded templates are suspended to be reaped, whatever they are doing."""

    async def reap(self, on: Pass, templates: Sequence[Object], held: Holdings) -> bool:
        for template in templates:
            for actor in held.live(template):
                _fired("force-suspend")
                await tried(on, actor)
        return await super().reap(on, templates, held)


class ReapActive(SafeRetiring):
    """Idle session actors are reaped on every template, the active one included."""

    async def retire(self, on: Pass, templates: Sequence[Object], desired: str | None) -> Outcome:
        held = await self.holdings(on)
        if await super().reap(on, templates, held):
            _fired("reap-active")
        return await super().retire(on, templates, desired)


class ReapFatal(SafeRetiring):
    """A session actor that cannot be reaped fails the pass, and the agent with it."""

    async def reap_one(self, on: Pass, actor: Actor) -> bool:
        try:
            await on.actors.delete(actor.atespace, actor.id)
        except grpc.aio.AioRpcError as err:
            _fired("reap-fatal")
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
            _fired("prefix-owner")
        return [*found, *strangers]


class ReapPrefixMiss(SafeRetiring):
    """Only actors with a readable id are seen, so hashed ones are left behind."""

    def sessions(self, on: Pass, template: Object, held: Holdings) -> list[Actor]:
        found = super().sessions(on, template, held)
        prefix = names.agent_prefix(on.namespace, name_of(on.agent), on.uid) + "-"
        seen = [actor for actor in found if actor.id.startswith(prefix)]
        if seen != found:
            _fired("reap-prefix-miss")
        return seen


class GoldenByStatus(SafeRetiring):
    """Only the golden that the status names is deleted."""

    def goldens(self, template: Object, held: Holdings) -> list[Actor]:
        found = super().goldens(template, held)
        named = [golden for golden in found if golden.id == golden_of(template)]
        if named != found:
            _fired("golden-by-status")
        return named


class SilentBlock(SafeRetiring):
    """Nothing says which actor keeps a template from being retired."""

    async def is_held(self, on: Pass, template: Object, held: Holdings) -> bool:
        if held.live(template):
            _fired("silent-block")
        return bool(held.live(template)) or bool(held.requests(template))


class NoWedge(SafeRetiring):
    """The retirement of wedge-nonready: what never became Ready is left alone."""

    def licensed(self, on: Pass, template: Object, ordered: Sequence[Object]) -> bool:
        return was_ever_ready(template) and super().licensed(on, template, ordered)


# -- flows ----------------------------------------------------------------


class NoRetry(Flow):
    """What is not done, or failed, is not tried again until something changes."""

    def again(self, outcome: Outcome, requeue: float) -> float | None:
        if outcome is Outcome.AGAIN:
            _fired("no-retry")
            return None
        return super().again(outcome, requeue)


class SlowRequeue(Flow):
    """What is not done is tried again after six times as long."""

    def again(self, outcome: Outcome, requeue: float) -> float | None:
        after = super().again(outcome, requeue)
        if after is None:
            return None
        _fired("slow-requeue")
        return 6 * requeue


class ReadyNewest(Flow):
    """Ready follows the newest template, so it is False while the one before serves."""

    def readiness(self, on: Pass, seen: Seen) -> Condition:
        newest = on.dialect.order(seen.templates or ())[:1]
        if newest and not roles.is_ready(newest[0]):
            _fired("ready-newest")
        return super().readiness(on, dataclasses.replace(seen, templates=newest))


class OutageWedge(Flow):
    """While ate-api cannot be reached nothing is applied."""

    async def run(self, on: Pass) -> Outcome:
        if not is_terminating(on.agent):
            try:
                await on.actors.list()
            except grpc.aio.AioRpcError:
                _fired("outage-wedge")
                return Outcome.AGAIN
        return await super().run(on)


class WedgeNonReady(Flow):
    """While a superseded template is not Ready nothing is applied."""

    async def run(self, on: Pass) -> Outcome:
        if not is_terminating(on.agent):
            ordered = on.dialect.order(await on.templates())
            superseded = plan.assigned(ordered, None).superseded
            if any(not was_ever_ready(template) for template in superseded):
                _fired("wedge-nonready")
                return Outcome.AGAIN
        return await super().run(on)


class LabelLoop(Flow):
    """A config that cannot be applied is tried again at once, and nobody is told."""

    async def failed(self, on: Pass, err: Exception) -> Applied:
        return Applied(Outcome.AGAIN, ())

    def again(self, outcome: Outcome, requeue: float) -> float | None:
        return 0 if outcome is Outcome.AGAIN else super().again(outcome, requeue)


# -- deleting -------------------------------------------------------------


class FinalizerEarly(Deleting):
    """The finalizer goes before the actors do."""

    async def delete(self, on: Pass) -> Outcome:
        _fired("finalizer-early")
        await set_finalizer(on, False)
        return Outcome.DONE


class DeleteStuck(Deleting):
    """A deleted agent is never released."""

    async def delete(self, on: Pass) -> Outcome:
        _fired("delete-stuck")
        return Outcome.AGAIN


# -- the catalogue --------------------------------------------------------


def _order_by_creation(templates: Iterable[Object]) -> list[Object]:
    """The order of creation, whose grain is a second."""
    found = list(templates)
    order = roles.in_order(found, "v1")
    if order != roles.in_order(found, "v1_safe"):
        _fired("order-by-creation")
    return order


def _order_with_marked(templates: Iterable[Object]) -> list[Object]:
    """The order in which marked templates have a role, too."""
    found = list(templates)
    if any(is_marked(template) for template in found):
        _fired("revive-retiring")
    return roles.in_order([unmarked(template) for template in found], "v1_safe")


def _with(**strategies: Any) -> Mutant:
    return lambda dialect: dataclasses.replace(dialect, **strategies)


#: By name, which is the value of --mutant.
MUTANTS: Final[Mapping[str, Mutant]] = {
    "adopt-foreign": _with(applying=AdoptForeign(), owns=lambda agent, template: True),
    "burst-step": _with(retiring=BurstStep()),
    "churn": _with(rendering=Churn),
    "concat-hash": _with(rendering=ConcatHash),
    "delete-stuck": _with(deleting=DeleteStuck()),
    "early-retire": _with(retiring=EarlyRetire()),
    "finalizer-early": _with(deleting=FinalizerEarly()),
    "force-suspend": _with(retiring=ForceSuspend()),
    "generation-only": _with(applying=GenerationOnly()),
    "golden-by-status": _with(retiring=GoldenByStatus()),
    "in-place-update": _with(rendering=OneName, applying=InPlaceUpdate()),
    "label-loop": _with(rendering=Unchecked, flow=LabelLoop()),
    "name-cut": _with(rendering=NameCut),
    "never-retire": _with(retiring=NeverRetire()),
    "no-retry": _with(flow=NoRetry()),
    "order-by-creation": _with(order=_order_by_creation),
    "outage-wedge": _with(flow=OutageWedge()),
    "prefix-owner": _with(retiring=PrefixOwner()),
    "ready-newest": _with(flow=ReadyNewest()),
    "reap-active": _with(retiring=ReapActive()),
    "reap-fatal": _with(retiring=ReapFatal()),
    "reap-prefix-miss": _with(retiring=ReapPrefixMiss()),
    "retire-last": _with(retiring=RetireLast()),
    "revive-retiring": _with(order=_order_with_marked, applying=Reviving(), retiring=RetireRevived()),
    "shared-secret": _with(rendering=SharedSecret, applying=SharedSecretApplying()),
    "silent-block": _with(retiring=SilentBlock()),
    "slow-requeue": _with(flow=SlowRequeue()),
    "strand-live": _with(retiring=StrandLive()),
    "template-first": _with(retiring=TemplateFirst()),
    "wedge-nonready": _with(flow=WedgeNonReady(), retiring=NoWedge()),
}


def mutated(dialect: Dialect, mutants: Sequence[str]) -> Dialect:
    """A dialect with these mutants, later ones over earlier ones. Raises KeyError for an unknown name."""
    for name in mutants:
        dialect = MUTANTS[name](dialect)
    return dialect
