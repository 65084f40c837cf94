"""The order of steps in a pass (contract section 4)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import httpx2

from reference.rollout import names, roles
from reference.rollout.controller import conditions
from reference.rollout.controller.applying import Applied
from reference.rollout.controller.conditions import Condition
from reference.rollout.controller.deleting import has_finalizer, set_finalizer
from reference.rollout.controller.errors import SERVER_ERRORS, NotAccepted, NotYet, in_words, is_conflict
from reference.rollout.controller.inputs import read_inputs
from reference.rollout.controller.objects import Object, annotations_of, is_terminating
from reference.rollout.controller.passes import Outcome, Pass
from reference.rollout.controller.rendering import Rendered
from reference.rollout.kinds import SandboxAgent

#: Seconds between two steps on the same actors; short, because a golden machine may undo the first.
SOON: Final = 0.2


@dataclass(frozen=True)
class Seen:
    """An agent's templates as they are after the application; None where they could not be listed."""

    templates: Sequence[Object] | None
    error: str = ""


class Flow:
    """v1_safe, K2 and K3: apply, say how it went, and only then clean up.

    No outcome of the cleanup skips the rest: it comes last. Raises what the API server says to writing the
    finalizer; everything after that is caught, so that each part is done whatever became of the others.
    """

    async def run(self, on: Pass) -> Outcome:
        """One pass over one agent."""
        if is_terminating(on.agent):
            return await on.dialect.deleting.delete(on)
        if not has_finalizer(on.agent):
            on.agent = await set_finalizer(on, True)
        rendered, applied = await self.apply(on)
        seen = await self.look(on)
        reported = await self.report(on, rendered, applied, seen)
        cleaned = await self.clean_up(on, rendered, seen)
        return max(applied.outcome, reported, cleaned)

    def again(self, outcome: Outcome, requeue: float) -> float | None:
        """Seconds until the next pass has to come, None if only a change has to bring it."""
        match outcome:
            case Outcome.DONE:
                return None
            case Outcome.AGAIN:
                return requeue
            case Outcome.PROGRESS:
                return min(SOON, requeue)

    async def apply(self, on: Pass) -> tuple[Rendered | None, Applied]:
        """Render and apply; what is wrong becomes a condition and an Event."""
        rendered: Rendered | None = None
        try:
            rendered = await self.render(on)
            return rendered, await on.dialect.applying.apply(on, rendered)
        except NotYet as err:
            return rendered, Applied(Outcome.AGAIN, (conditions.waiting(str(err)),))
        except (NotAccepted, *SERVER_ERRORS) as err:
            return rendered, await self.failed(on, err)

    async def render(self, on: Pass) -> Rendered:
        """The template of the config as it is now. Raises NotAccepted, and what the API server does."""
        return on.tools.rendering.render(on.agent, await read_inputs(on.api, on.agent, on.inputs))

    async def failed(self, on: Pass, err: Exception) -> Applied:
        """What an application came to that did not succeed."""
        message = in_words(err)
        on.log.warning("not applied", extra={"error": message})
        if is_conflict(err):
            return Applied(Outcome.AGAIN, ())
        await on.tools.events.warn(on.agent, "ReconcileFailed", message, message)
        return Applied(Outcome.AGAIN, (conditions.not_accepted(message),))

    async def look(self, on: Pass) -> Seen:
        """The agent's templates."""
        try:
            return Seen(await on.templates())
        except httpx2.HTTPError as err:
            return Seen(None, in_words(err))

    def readiness(self, on: Pass, seen: Seen) -> Condition:
        """Condition Ready."""
        if seen.templates is None:
            return conditions.templates_unknown(seen.error)
        return conditions.readiness(on.dialect.order(seen.templates))

    def revisions(self, on: Pass, rendered: Rendered | None, seen: Seen) -> dict[str, str]:
        """What the status says of revisions, by field: nothing but in API v2."""
        return {}

    async def report(self, on: Pass, rendered: Rendered | None, applied: Applied, seen: Seen) -> Outcome:
        """Write the status, if it changes. A condition of the application wins over what templates say."""
        said = [self.readiness(on, seen), *applied.conditions]
        status = conditions.status_of(on.agent, said, on.tools.now(), self.revisions(on, rendered, seen))
        if status is None:
            return Outcome.DONE
        try:
            await on.api.patch_status(SandboxAgent, on.agent, status)
        except httpx2.HTTPError as err:
            on.log.warning("status not written", extra={"error": in_words(err)})
            return Outcome.AGAIN
        return Outcome.DONE

    async def clean_up(self, on: Pass, rendered: Rendered | None, seen: Seen) -> Outcome:
        """Retire what is superseded."""
        if seen.templates is None:
            return Outcome.AGAIN
        desired = None if rendered is None else rendered.name
        return await on.dialect.retiring.retire(on, seen.templates, desired)


class RevisionFlow(Flow):
    """API v2: the status tells revisions, and Ready is about the desired one alone (V2-1, V2-3)."""

    def readiness(self, on: Pass, seen: Seen) -> Condition:
        """Condition Ready."""
        if seen.templates is None:
            return super().readiness(on, seen)
        return conditions.revision_readiness(on.dialect.order(seen.templates))

    def revisions(self, on: Pass, rendered: Rendered | None, seen: Seen) -> dict[str, str]:
        """The revision of the config and that of the template that serves; an unknown one stays as it was."""
        found = {}
        if rendered is not None:
            found["desiredRevision"] = rendered.annotations[names.CONFIG_HASH_ANNOTATION]
        active = roles.first_ready(on.dialect.order(seen.templates or ()))
        if active is not None:
            found["latestSuccessfulRevision"] = annotations_of(active)[names.CONFIG_HASH_ANNOTATION]
        return found


class V1Flow(Flow):
    """V1: retirement first; until it is done nothing is applied (D3), and what fails is not repeated (D4)."""

    async def run(self, on: Pass) -> Outcome:
        """One pass over one agent."""
        if is_terminating(on.agent):
            return await on.dialect.deleting.delete(on)
        if not has_finalizer(on.agent):
            on.agent = await set_finalizer(on, True)
        try:
            retired = await on.dialect.retiring.retire(on, await on.templates(), None)
        except SERVER_ERRORS as err:
            on.log.info("retiring superseded templates failed (will retry)", extra={"error": in_words(err)})
            retired = Outcome.DONE
        if retired is not Outcome.DONE:
            return retired
        rendered, applied = await self.apply(on)
        reported = await self.report(on, rendered, applied, await self.look(on))
        return max(applied.outcome, reported)
