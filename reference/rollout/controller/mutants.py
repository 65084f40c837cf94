"""Controllers that do one thing wrong on purpose (contract section 10): overrides of a dialect's strategies.

Each class or function says its lie in the first line. A mutant that has acted is counted in `firing.FIRED`.
"""

from __future__ import annotations

import dataclasses
import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, TypeAlias

import grpc.aio

from reference.rollout import names, roles
from reference.rollout.actors import Actor
from reference.rollout.controller import plan
from reference.rollout.controller import retiring_mutants as wrong
from reference.rollout.controller.applying import Applied, Applying, SafeApplying
from reference.rollout.controller.conditions import Condition
from reference.rollout.controller.deleting import Deleting, set_finalizer
from reference.rollout.controller.dialect import Dialect
from reference.rollout.controller.errors import NotAccepted
from reference.rollout.controller.firing import fired
from reference.rollout.controller.flows import Flow, Seen
from reference.rollout.controller.holdings import is_golden
from reference.rollout.controller.inputs import Inputs
from reference.rollout.controller.objects import (
    Object,
    annotations_of,
    generation_of,
    is_marked,
    is_terminating,
    name_of,
    unmarked,
    was_ever_ready,
)
from reference.rollout.controller.passes import Outcome, Pass
from reference.rollout.controller.rendering import SafeRendering, Workload, hash_parts
from reference.rollout.kinds import ActorTemplate

Mutant: TypeAlias = Callable[[Dialect], Dialect]

# -- rendering: names and hashes ------------------------------------------


class Churn(SafeRendering):
    """A nonce is in the hash, so every pass has another config."""

    def config_hash(self, agent: Object, load: Workload, inputs: Inputs) -> int:
        fired("churn")
        return names.framed_hash([secrets.token_bytes(8)])


class ConcatHash(SafeRendering):
    """The parts of the hash are joined without separators."""

    def config_hash(self, agent: Object, load: Workload, inputs: Inputs) -> int:
        fired("concat-hash")
        return names.joined_hash([*hash_parts(load, inputs), self._shape(agent, load)])


class NameCut(SafeRendering):
    """A template's name is cut at 63 characters after the hash was added."""

    def template_name(self, agent: str, identity: str) -> str:
        cut = names.truncated(f"{agent}-{identity}", names.LABEL_LENGTH)
        if cut != names.template_name(agent, identity):
            fired("name-cut")
        return cut


class SharedSecret(SafeRendering):
    """All templates of an agent take their config from one Secret, which the next config overwrites."""

    def secret_name(self, agent: Object, template: str) -> str:
        fired("shared-secret")
        return name_of(agent)


class OneName(SafeRendering):
    """The rendering of in-place-update: a template's name says nothing of its config."""

    def template_name(self, agent: str, identity: str) -> str:
        return names.template_name(agent, "")


class Unchecked(SafeRendering):
    """The rendering of label-loop: nobody looks at the length of a name."""

    def check_name(self, agent: Object) -> None:
        try:
            super().check_name(agent)
        except NotAccepted:
            fired("label-loop")


# -- applying -------------------------------------------------------------


class InPlaceUpdate(SafeApplying):
    """A changed config replaces the template under the same name."""

    async def apply(self, on: Pass, rendered: Any) -> Applied:
        found = await on.api.get(ActorTemplate, on.namespace, rendered.name)
        wanted = rendered.annotations[names.CONFIG_HASH_ANNOTATION]
        if found is not None and annotations_of(found).get(names.CONFIG_HASH_ANNOTATION) != wanted:
            fired("in-place-update")
            await on.api.delete(ActorTemplate, found)
        return await super().apply(on, rendered)


class AdoptForeign(SafeApplying):
    """A template of the right name is taken for the agent's, whoever controls it."""

    def check_owner(self, on: Pass, found: Object) -> None:
        try:
            super().check_owner(on, found)
        except NotAccepted:
            fired("adopt-foreign")


class Pruning(Applying):
    """Whatever of an agent's templates is not rendered now is deleted, like other things it owns."""

    def __init__(self, right: Applying) -> None:
        self._right = right

    async def apply(self, on: Pass, rendered: Any) -> Applied:
        applied = await self._right.apply(on, rendered)
        for template in await on.templates():
            if name_of(template) != rendered.name and not is_terminating(template):
                fired("prune-unrendered")
                await on.api.delete(ActorTemplate, template)
        return applied


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
            fired("generation-only")
        return place

    async def raise_generation(self, on: Pass, found: Object, place: int) -> None:
        if roles.desired_generation(found) < place:
            await super().raise_generation(on, found, place)


class Reviving(SafeApplying):
    """The application of revive-retiring: a template that is marked is as good as any."""

    def is_usable(self, found: Object) -> bool:
        return not is_terminating(found)


# -- flows ----------------------------------------------------------------


class NoRetry(Flow):
    """What is not done, or failed, is not tried again until something changes."""

    def again(self, outcome: Outcome, requeue: float) -> float | None:
        if outcome is Outcome.AGAIN:
            fired("no-retry")
            return None
        return super().again(outcome, requeue)


class SlowRequeue(Flow):
    """What is not done is tried again after sixty times as long."""

    def again(self, outcome: Outcome, requeue: float) -> float | None:
        after = super().again(outcome, requeue)
        if after is None:
            return None
        fired("slow-requeue")
        return 60 * requeue


class ReadyNewest(Flow):
    """Ready follows the newest template, so it is False while the one before serves."""

    def readiness(self, on: Pass, seen: Seen) -> Condition:
        newest = on.dialect.order(seen.templates or ())[:1]
        if newest and not roles.is_ready(newest[0]):
            fired("ready-newest")
        return super().readiness(on, dataclasses.replace(seen, templates=newest))


class OutageWedge(Flow):
    """While ate-api cannot be reached nothing is applied."""

    async def run(self, on: Pass) -> Outcome:
        if not is_terminating(on.agent):
            try:
                await on.actors.list()
            except grpc.aio.AioRpcError:
                fired("outage-wedge")
                return Outcome.AGAIN
        return await super().run(on)


class WedgeNonReady(Flow):
    """While a superseded template is not Ready nothing is applied."""

    async def run(self, on: Pass) -> Outcome:
        if not is_terminating(on.agent):
            ordered = on.dialect.order(await on.templates())
            superseded = plan.assigned(ordered, None).superseded
            if any(not was_ever_ready(template) for template in superseded):
                fired("wedge-nonready")
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
        fired("finalizer-early")
        await set_finalizer(on, False)
        return Outcome.DONE


class LeaveGoldens(Deleting):
    """Of a deleted agent only the sessions go, its goldens stay."""

    async def actors(self, on: Pass, templates: Sequence[Object]) -> list[Actor]:
        found = await super().actors(on, templates)
        sessions = [a for a in found if not any(is_golden(a, template) for template in templates)]
        if sessions != found:
            fired("leave-goldens")
        return sessions


class DeleteUnguarded(Deleting):
    """A template of a deleted agent that had no golden goes, whatever it has by now."""

    async def remove_unbuilt(self, on: Pass, template: Object) -> bool:
        fired("delete-unguarded")
        await on.api.delete(ActorTemplate, template)
        return True


class DeleteStuck(Deleting):
    """A deleted agent is never released."""

    async def delete(self, on: Pass) -> Outcome:
        fired("delete-stuck")
        return Outcome.AGAIN


# -- the catalogue --------------------------------------------------------


def _order_by_creation(templates: Iterable[Object]) -> list[Object]:
    """The order of creation, whose grain is a second."""
    found = list(templates)
    order = roles.in_order(found, "v1")
    if order != roles.in_order(found, "v1_safe"):
        fired("order-by-creation")
    return order


def _order_with_marked(templates: Iterable[Object]) -> list[Object]:
    """The order in which marked templates have a role, too."""
    found = list(templates)
    if any(is_marked(template) for template in found):
        fired("revive-retiring")
    return roles.in_order([unmarked(template) for template in found], "v1_safe")


def _with(**strategies: Any) -> Mutant:
    return lambda dialect: dataclasses.replace(dialect, **strategies)


#: By name, which is the value of --mutant.
MUTANTS: Final[Mapping[str, Mutant]] = {
    "adopt-foreign": _with(applying=AdoptForeign(), owns=lambda agent, template: True),
    "blind-mark": _with(retiring=wrong.BlindMark()),
    "burst-step": _with(retiring=wrong.BurstStep()),
    "churn": _with(rendering=Churn),
    "concat-hash": _with(rendering=ConcatHash),
    "count-live": _with(retiring=wrong.CountLive()),
    "delete-stuck": _with(deleting=DeleteStuck()),
    "delete-unguarded": _with(deleting=DeleteUnguarded()),
    "early-retire": _with(retiring=wrong.EarlyRetire()),
    "finalizer-early": _with(deleting=FinalizerEarly()),
    "force-suspend": _with(retiring=wrong.ForceSuspend()),
    "generation-only": _with(applying=GenerationOnly()),
    "golden-by-status": _with(retiring=wrong.GoldenByStatus()),
    "in-place-update": _with(rendering=OneName, applying=InPlaceUpdate()),
    "label-loop": _with(rendering=Unchecked, flow=LabelLoop()),
    "leave-goldens": _with(deleting=LeaveGoldens()),
    "name-cut": _with(rendering=NameCut),
    "never-retire": _with(retiring=wrong.NeverRetire()),
    "no-retry": _with(flow=NoRetry()),
    "order-by-creation": _with(order=_order_by_creation),
    "outage-wedge": _with(flow=OutageWedge()),
    "prefix-owner": _with(retiring=wrong.PrefixOwner()),
    "prune-unrendered": lambda dialect: dataclasses.replace(dialect, applying=Pruning(dialect.applying)),
    "ready-newest": _with(flow=ReadyNewest()),
    "reap-active": _with(retiring=wrong.ReapActive()),
    "reap-fatal": _with(retiring=wrong.ReapFatal()),
    "reap-prefix-miss": _with(retiring=wrong.ReapPrefixMiss()),
    "retire-last": _with(retiring=wrong.RetireLast()),
    "revive-retiring": _with(order=_order_with_marked, applying=Reviving(), retiring=wrong.RetireRevived()),
    "shared-secret": _with(rendering=SharedSecret, applying=SharedSecretApplying()),
    "silent-block": _with(retiring=wrong.SilentBlock()),
    "slow-requeue": _with(flow=SlowRequeue()),
    "strand-live": _with(retiring=wrong.StrandLive()),
    "template-first": _with(retiring=wrong.TemplateFirst()),
    "wedge-nonready": _with(flow=WedgeNonReady(), retiring=wrong.NoWedge()),
}


def mutated(dialect: Dialect, mutants: Sequence[str]) -> Dialect:
    """A dialect with these mutants, later ones over earlier ones. Raises KeyError for an unknown name."""
    for name in mutants:
        dialect = MUTANTS[name](dialect)
    return dialect
