"""Retiring the templates that a newer one has replaced, and reaping the session actors they leave behind."""

from __future__ import annotations

from collections.abc import Sequence

import grpc.aio

from reference.rollout import names, roles
from reference.rollout.actors import GOLDEN_ATESPACE, Actor
from reference.rollout.controller import plan
from reference.rollout.controller.errors import SERVER_ERRORS, in_words, is_conflict
from reference.rollout.controller.holdings import IDLE, Holdings, read_holdings
from reference.rollout.controller.objects import (
    Object,
    as_time,
    golden_of,
    is_marked,
    name_of,
    phase_of,
    uid_of,
    was_ever_ready,
)
from reference.rollout.controller.passes import Outcome, Pass
from reference.rollout.controller.plan import Roles
from reference.rollout.controller.steps import refused, removal_step, tried
from reference.rollout.kinds import ActorTemplate
from reference.rollout.leases import RETIRING_ANNOTATION


class Retiring:
    """Dialects K2 and K3: every template is kept until its agent is deleted (K2-1, K3-4)."""

    async def retire(self, on: Pass, templates: Sequence[Object], desired: str | None) -> Outcome:
        """As much as can be done now. `desired` names the template of the config, None if that is unknown."""
        return Outcome.DONE


class SafeRetiring(Retiring):
    """v1_safe: contract 5.1. A pass goes as far as it can, the next one starts again from what servers say.

    Nothing here fails a pass: what cannot be done now is tried again.
    """

    async def retire(self, on: Pass, templates: Sequence[Object], desired: str | None) -> Outcome:
        """One pass over all candidates."""
        ordered = on.dialect.order(templates)
        found = plan.assigned(ordered, desired)
        candidates = self.candidates(found, templates)
        if not candidates:
            return Outcome.DONE
        try:
            held = await self.holdings(on)
            reaped = await self.reap(on, self.reapable(found, templates), held)
        except SERVER_ERRORS as err:
            return await self.postponed(on, "retirement", err)
        outcome = Outcome.PROGRESS if reaped else Outcome.DONE
        for template in candidates:
            try:
                outcome = max(outcome, await self.retire_one(on, template, ordered, held))
            except SERVER_ERRORS as err:
                what = f"retirement of {name_of(template)}"
                outcome = max(outcome, await self.postponed(on, what, err))
        return outcome

    def candidates(self, found: Roles, templates: Sequence[Object]) -> list[Object]:
        """The templates to retire: superseded ones, and those whose retirement has begun."""
        return [*found.superseded, *plan.marked(templates)]

    def reapable(self, found: Roles, templates: Sequence[Object]) -> list[Object]:
        """The templates whose idle session actors are of no use any more (C19, C21)."""
        return self.candidates(found, templates)

    async def postponed(self, on: Pass, what: str, err: Exception) -> Outcome:
        """What an error comes to (C22)."""
        on.log.warning("postponed", extra={"what": what, "error": in_words(err)})
        if not is_conflict(err):
            message = f"{what} is postponed: {in_words(err)}"
            await on.tools.events.warn(on.agent, "RetirementPostponed", what, message)
        return Outcome.AGAIN

    async def holdings(self, on: Pass) -> Holdings:
        """What templates are held by, now."""
        return await read_holdings(on.api, on.actors, on.namespace, on.tools.now())

    # -- one template -----------------------------------------------------

    async def retire_one(
        self, on: Pass, template: Object, ordered: Sequence[Object], held: Holdings
    ) -> Outcome:
        """Take one template as far as it can go (steps 1 to 6)."""
        if not self.licensed(on, template, ordered) and self.is_whole(template, held):
            return await self.spare(on, template)
        if await self.is_held(on, template, held):
            return await self.spare(on, template) if self.is_whole(template, held) else Outcome.AGAIN
        if self.sessions(on, template, held):
            return Outcome.AGAIN  # Reaped just now, or refused: the next pass sees which.
        if not is_marked(template):
            template = await self.mark(on, template)
            held = await self.holdings(on)
            if await self.is_held(on, template, held) or self.sessions(on, template, held):
                return await self.spare(on, template)
            # It may have become Ready while the mark was on its way: then it waits for a more desired one.
            template = await on.api.get(ActorTemplate, on.namespace, name_of(template)) or template
            if not self.licensed(on, template, ordered):
                return await self.spare(on, template)
        if not await self.golden_is_gone(on, template, held):
            return Outcome.PROGRESS
        return await self.delete_template(on, template)

    def licensed(self, on: Pass, template: Object, ordered: Sequence[Object]) -> bool:
        """Step 1."""
        return plan.licensed(template, ordered, on.dialect.order)

    def is_whole(self, template: Object, held: Holdings) -> bool:
        """Whether a template could serve again: none of its retirement has been done but the mark.

        With its golden gone it must go as well, whatever has become of the others.
        """
        golden = golden_of(template)
        return not is_marked(template) or not golden or any(a.id == golden for a in held.actors)

    async def spare(self, on: Pass, template: Object) -> Outcome:
        """Leave a template for now, without a mark."""
        if is_marked(template):
            on.log.info("mark taken back", extra={"template": name_of(template)})
            await on.api.patch(ActorTemplate, template, _mark(None))
        return Outcome.AGAIN

    async def is_held(self, on: Pass, template: Object, held: Holdings) -> bool:
        """Step 2: whether a request is on its way to the template, or an actor of it lives (RO-4)."""
        live = self.live(on, template, held)
        if live:
            actors = ", ".join(f"{actor.id} is {actor.state}" for actor in live)
            message = f"ActorTemplate {name_of(template)} cannot be retired: {actors}"
            await on.tools.events.warn(on.agent, "RetirementBlocked", uid_of(template), message)
        return bool(live) or bool(held.requests(template))

    def live(self, on: Pass, template: Object, held: Holdings) -> list[Actor]:
        """The session actors that hold a template."""
        return held.live(template)

    def sessions(self, on: Pass, template: Object, held: Holdings) -> list[Actor]:
        """The session actors of a template."""
        return held.sessions(template)

    async def mark(self, on: Pass, template: Object) -> Object:
        """Step 4: from here on no gateway begins anything on it. Raises if it was changed meanwhile."""
        on.log.info("retirement begins", extra={"template": name_of(template)})
        return await on.api.patch(ActorTemplate, template, _mark(as_time(on.tools.now())))

    def goldens(self, template: Object, held: Holdings) -> list[Actor]:
        """The goldens of a template, all of them (D16)."""
        return held.goldens(template)

    async def golden_is_gone(self, on: Pass, template: Object, held: Holdings) -> bool:
        """Step 5: whether no golden of a template is left; if one is, one step towards it each (C17)."""
        goldens = self.goldens(template, held)
        for golden in goldens:
            await tried(on, golden)
        if goldens:
            return False
        named = golden_of(template)
        return not named or await removal_step(on, GOLDEN_ATESPACE, named)

    async def delete_template(self, on: Pass, template: Object) -> Outcome:
        """Step 6. A golden that was minted meanwhile goes first (I4).

        One that the template does not name yet goes after it: without template it cannot run.
        """
        if not await on.api.delete_unchanged(ActorTemplate, template):
            return Outcome.PROGRESS
        on.log.info("template retired", extra={"template": name_of(template)})
        if not was_ever_ready(template):
            for golden in (await self.holdings(on)).goldens(template):
                await tried(on, golden)
        return Outcome.DONE

    # -- session actors ---------------------------------------------------

    async def reap(self, on: Pass, templates: Sequence[Object], held: Holdings) -> bool:
        """Step 3: delete the idle session actors of templates that no request is on its way to."""
        reaped = False
        for template in templates:
            if held.requests(template):
                continue
            for actor in self.sessions(on, template, held):
                if actor.state in IDLE:
                    reaped |= await self.reap_one(on, actor)
        return reaped

    async def reap_one(self, on: Pass, actor: Actor) -> bool:
        """Whether a session actor was deleted."""
        try:
            await on.actors.delete(actor.atespace, actor.id)
        except grpc.aio.AioRpcError as err:
            refused(on, actor, err)
            return False
        on.log.info("session actor reaped", extra={"actor": actor.id, "template": actor.template})
        return True


class RefcountRetiring(SafeRetiring):
    """API v2: what a session refers to stays, however long it sleeps; no session is ever reaped (V2-2)."""

    def reapable(self, found: Roles, templates: Sequence[Object]) -> list[Object]:
        """None."""
        return []

    async def is_held(self, on: Pass, template: Object, held: Holdings) -> bool:
        """Whether a session, or a request on its way, refers to the template. That is nothing to warn of."""
        return bool(self.sessions(on, template, held)) or bool(held.requests(template))


def _mark(value: str | None) -> dict[str, object]:
    return {"metadata": {"annotations": {RETIRING_ANNOTATION: value}}}


class V1Retiring(Retiring):
    """V1, with its defects: sessions are not asked (D1), and what never became Ready stays (D3).

    Raises what the servers raise; the flow of V1 then goes on as if all were done (D4).
    """

    async def retire(self, on: Pass, templates: Sequence[Object], desired: str | None) -> Outcome:
        """Retire, then reap; `desired` is not known yet, the newest template stands for it."""
        if len(templates) <= 1:
            return Outcome.DONE
        ordered = on.dialect.order(templates)
        newest = ordered[0]
        active = roles.first_ready(ordered)
        outcome = Outcome.DONE
        for template in ordered:
            if template is newest or template is active:
                continue
            if phase_of(template) != "Ready":
                outcome = Outcome.AGAIN
                continue
            golden = golden_of(template)
            if golden and not await removal_step(on, GOLDEN_ATESPACE, golden):
                outcome = Outcome.AGAIN
                continue
            await on.api.delete(ActorTemplate, template)
        await self.reap(on, {name_of(t) for t in (newest, active) if t is not None})
        return outcome

    async def reap(self, on: Pass, kept: set[str]) -> None:
        """Delete idle actors whose ids begin as the agent's do, and so those of other agents too (D7)."""
        prefix = names.agent_prefix(on.namespace, name_of(on.agent), on.uid) + "-"
        try:
            for actor in await on.actors.list():
                if actor.id.startswith(prefix) and actor.template not in kept and actor.state in IDLE:
                    await on.actors.delete(actor.atespace, actor.id)
        except grpc.aio.AioRpcError as err:
            on.log.info("reap failed (will retry)", extra={"error": in_words(err)})
