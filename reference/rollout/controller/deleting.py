"""Deleting an agent: first its actors, which the cluster does not see, then the finalizer."""

from __future__ import annotations

from collections.abc import Sequence

from reference.rollout import names
from reference.rollout.actors import GOLDEN_ATESPACE, Actor
from reference.rollout.controller.errors import SERVER_ERRORS, in_words
from reference.rollout.controller.holdings import read_holdings
from reference.rollout.controller.objects import (
    Object,
    from_time,
    golden_of,
    is_terminating,
    name_of,
    phase_of,
)
from reference.rollout.controller.passes import Outcome, Pass
from reference.rollout.controller.steps import removal_step, tried
from reference.rollout.kinds import ActorTemplate, SandboxAgent


def has_finalizer(agent: Object) -> bool:
    """Whether the agent waits for its actors to be removed."""
    return names.FINALIZER in (agent["metadata"].get("finalizers") or ())


async def set_finalizer(on: Pass, present: bool) -> Object:
    """Add the finalizer, or take it away. Raises if the agent was changed meanwhile."""
    others = [f for f in on.agent["metadata"].get("finalizers") or () if f != names.FINALIZER]
    finalizers = [*others, names.FINALIZER] if present else others
    return await on.api.patch(SandboxAgent, on.agent, {"metadata": {"finalizers": finalizers}})


class Deleting:
    """All dialects but V1: every actor of every template of the agent (C24)."""

    async def delete(self, on: Pass) -> Outcome:
        """One pass; the last one removes the finalizer."""
        if not has_finalizer(on.agent):
            return Outcome.DONE
        if self.is_overdue(on):
            message = f"actors were not removed within {on.tools.delete_cap:.0f} s and may be left behind"
            await on.tools.events.warn(on.agent, "CleanupTimedOut", "actors", message)
        else:
            try:
                outcome = await self.remove_actors(on)
            except SERVER_ERRORS as err:
                on.log.warning("cleanup postponed", extra={"error": in_words(err)})
                await on.tools.events.warn(on.agent, "CleanupFailed", "actors", in_words(err))
                return Outcome.AGAIN
            if outcome is not Outcome.DONE:
                return outcome
        await set_finalizer(on, False)
        on.log.info("agent released")
        return Outcome.DONE

    def is_overdue(self, on: Pass) -> bool:
        """Whether the cap on a deletion is reached."""
        since = from_time(on.agent["metadata"]["deletionTimestamp"])
        return (on.tools.now() - since).total_seconds() > on.tools.delete_cap

    async def remove_actors(self, on: Pass) -> Outcome:
        """One step for each actor that is left; DONE if none is."""
        templates = await on.templates()
        minted = False
        for template in templates:
            if not phase_of(template) and not is_terminating(template):
                minted |= not await self.remove_unbuilt(on, template)
        left = await self.actors(on, templates)
        stepped = [await tried(on, actor) for actor in left]
        if minted or any(stepped):
            return Outcome.PROGRESS
        return Outcome.AGAIN if left else Outcome.DONE

    async def remove_unbuilt(self, on: Pass, template: Object) -> bool:
        """Delete a template, so that no golden of it is minted; False if one was, which goes first (I4)."""
        return await on.api.delete_unchanged(ActorTemplate, template)

    async def actors(self, on: Pass, templates: Sequence[Object]) -> list[Actor]:
        """The actors of an agent's templates, goldens included."""
        held = await read_holdings(on.api, on.actors, on.namespace, on.tools.now())
        return [actor for template in templates for actor in held.of(template)]


class V1Deleting(Deleting):
    """V1: session actors by the beginning of their ids (D7, D8), and the goldens that templates name."""

    async def remove_actors(self, on: Pass) -> Outcome:
        """One step for each actor that is found; DONE if none is."""
        prefix = names.agent_prefix(on.namespace, name_of(on.agent), on.uid)
        mine = [a for a in await on.actors.list() if a.id == prefix or a.id.startswith(f"{prefix}-")]
        gone = [await removal_step(on, actor.atespace, actor.id) for actor in mine]
        if not all(gone):
            return Outcome.AGAIN
        goldens = [golden for golden in map(golden_of, await on.templates()) if golden]
        gone = [await removal_step(on, GOLDEN_ATESPACE, golden) for golden in goldens]
        return Outcome.DONE if all(gone) else Outcome.AGAIN
