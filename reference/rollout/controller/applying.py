"""Making the template of a config, and keeping it in its place; one strategy per way to do so."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reference.rollout import names
from reference.rollout.actors import GOLDEN_ATESPACE
from reference.rollout.controller import plan
from reference.rollout.controller.api import Secret
from reference.rollout.controller.conditions import Condition, accepted, conflicting, recreating
from reference.rollout.controller.errors import NotAccepted, NotYet
from reference.rollout.controller.objects import (
    Object,
    annotations_of,
    controlled_by,
    controller_of,
    generation_of,
    golden_of,
    is_controlled_by,
    is_marked,
    is_terminating,
    labels_of,
    name_of,
    uid_of,
)
from reference.rollout.controller.passes import Outcome, Pass
from reference.rollout.controller.rendering import Rendered
from reference.rollout.controller.steps import removal_step
from reference.rollout.kinds import ActorTemplate


@dataclass(frozen=True)
class Applied:
    """What an application came to; `conditions` say it to the user."""

    outcome: Outcome
    conditions: tuple[Condition, ...]


class Applying:
    """Brings what the API server holds to what was rendered.

    Raises NotAccepted where that cannot be, NotYet where something has to go first, and what servers raise.
    """

    async def apply(self, on: Pass, rendered: Rendered) -> Applied:
        """One application."""
        raise NotImplementedError

    async def create_template(self, on: Pass, rendered: Rendered, annotations: Mapping[str, str]) -> Object:
        """Create the template."""
        body = {
            "metadata": {**self.metadata(on, rendered.name), "annotations": dict(annotations)},
            "spec": rendered.spec,
        }
        on.log.info("template created", extra={"template": rendered.name})
        return await on.api.create(ActorTemplate, body)

    async def ensure_secret(
        self, on: Pass, rendered: Rendered, template: Object | None = None
    ) -> Object | None:
        """The config Secret with what was rendered, for a template if there is one; None if there is none."""
        if rendered.secret is None:
            return None
        data = {key: base64.b64encode(value).decode() for key, value in rendered.secret_data.items()}
        found = await on.api.get(Secret, on.namespace, rendered.secret)
        if found is None:
            return await on.api.create(Secret, {"metadata": self.metadata(on, rendered.secret), "data": data})
        self.check_secret(on, found, template)
        before = found.get("data") or {}
        if before == data:
            return found
        removed = dict.fromkeys(before.keys() - data.keys())
        return await on.api.patch(Secret, found, {"data": {**removed, **data}})

    def check_secret(self, on: Pass, found: Object, template: Object | None) -> None:
        """Raise NotAccepted for a Secret that is somebody else's."""

    @staticmethod
    def metadata(on: Pass, name: str) -> dict[str, Any]:
        """Metadata of what is made for an agent: labelled with its name, controlled by it."""
        return {
            "name": name,
            "namespace": on.namespace,
            "labels": {names.MANAGED_BY_LABEL: names.MANAGED_BY, names.AGENT_LABEL: name_of(on.agent)},
            "ownerReferences": controlled_by(on.agent),
        }


class SafeApplying(Applying):
    """v1_safe: a template is never written to but for its place in the order, and nothing foreign is adopted.

    The Secret is made before the template, or a golden might be built without it, and belongs to the agent
    until there is a template that it can belong to. `settle_secrets` finishes what a kill left in between.
    """

    async def apply(self, on: Pass, rendered: Rendered) -> Applied:
        """One application."""
        found = await on.api.get(ActorTemplate, on.namespace, rendered.name)
        if found is not None:
            self.check_owner(on, found)
            if not self.is_usable(found):
                raise NotYet(rendered.name)
        secret = await self.ensure_secret(on, rendered, found)
        others = [t for t in on.dialect.order(await on.templates()) if name_of(t) != rendered.name]
        if found is None:
            place = self.generation(on, others)
            annotations = {**rendered.annotations, names.DESIRED_GENERATION_ANNOTATION: str(place)}
            found = await self.create_template(on, rendered, annotations)
        elif not self.is_first(found, others):
            await self.raise_generation(on, found, self.generation(on, others))
        if secret is not None:
            await self.give_secret(on, secret, found)
        await self.settle_secrets(on, rendered)
        return Applied(Outcome.DONE, (accepted(),))

    def check_owner(self, on: Pass, found: Object) -> None:
        """Raise NotAccepted for a template that another controller has (C27)."""
        if not is_controlled_by(found, on.uid):
            raise NotAccepted(
                f"ActorTemplate {name_of(found)} exists and is not controlled by this agent (UID {on.uid})"
            )

    def check_secret(self, on: Pass, found: Object, template: Object | None) -> None:
        """Raise NotYet for the Secret of a template that is gone, NotAccepted for somebody else's."""
        owner = controller_of(found)
        uid = None if owner is None else owner["uid"]
        if uid == on.uid or (template is not None and uid == uid_of(template)):
            return
        if owner is not None and owner["kind"] == "ActorTemplate" and self.has_label(on, found):
            raise NotYet(name_of(found))  # The garbage collector is about to take it.
        raise NotAccepted(
            f"Secret {name_of(found)} exists and is not controlled by this agent (UID {on.uid})"
        )

    @staticmethod
    def has_label(on: Pass, found: Object) -> bool:
        """Whether something was made for an agent of this name."""
        return labels_of(found).get(names.AGENT_LABEL) == name_of(on.agent)

    def is_usable(self, found: Object) -> bool:
        """Whether a template can still be the desired one: not one whose retirement has begun."""
        return not is_terminating(found) and not is_marked(found)

    def is_first(self, found: Object, others: list[Object]) -> bool:
        """Whether the template is where it has to be (RO-1)."""
        return plan.is_strictly_first(found, others)

    def generation(self, on: Pass, others: list[Object]) -> int:
        """The place of the desired template (RO-1)."""
        return plan.next_generation(generation_of(on.agent), others)

    async def raise_generation(self, on: Pass, found: Object, place: int) -> None:
        """Put a template first."""
        on.log.info("template put first", extra={"template": name_of(found), "desired_generation": place})
        annotations = {names.DESIRED_GENERATION_ANNOTATION: str(place)}
        await on.api.patch(ActorTemplate, found, {"metadata": {"annotations": annotations}})

    async def give_secret(self, on: Pass, secret: Object, template: Object) -> None:
        """Make a Secret the template's, so that both go together."""
        if not is_controlled_by(secret, uid_of(template)):
            owners = {"metadata": {"ownerReferences": controlled_by(template)}}
            await on.api.patch(Secret, secret, owners)

    async def settle_secrets(self, on: Pass, rendered: Rendered) -> None:
        """Give config Secrets that the agent still controls to their template, delete those without one."""
        secrets = await on.api.list(Secret, on.namespace, {names.AGENT_LABEL: name_of(on.agent)})
        loose = [s for s in secrets if is_controlled_by(s, on.uid) and name_of(s) != rendered.secret]
        if not loose:
            return
        templates = {name_of(t): t for t in await on.templates()}
        for secret in loose:
            template = templates.get(name_of(secret))
            if template is None:
                await on.api.delete(Secret, secret)
            else:
                await self.give_secret(on, secret, template)


class RevisionApplying(SafeApplying):
    """API v2: what has a revision's name and another spec stays as it is, whoever made it (V2-4)."""

    async def apply(self, on: Pass, rendered: Rendered) -> Applied:
        """One application."""
        found = await on.api.get(ActorTemplate, on.namespace, rendered.name)
        if found is not None and found["spec"] != rendered.spec:
            return Applied(Outcome.AGAIN, (accepted(), conflicting(rendered.name)))
        return await super().apply(on, rendered)


class V1Applying(Applying):
    """V1: what has the name is the agent's, and is overwritten where it differs."""

    async def apply(self, on: Pass, rendered: Rendered) -> Applied:
        """One application."""
        await self.ensure_secret(on, rendered)
        found = await on.api.get(ActorTemplate, on.namespace, rendered.name)
        if found is None:
            await self.create_template(on, rendered, rendered.annotations)
            return Applied(Outcome.DONE, (accepted(),))
        return await self.update(on, found, rendered)

    async def update(self, on: Pass, found: Object, rendered: Rendered) -> Applied:
        """Bring an existing template to what was rendered."""
        patch: dict[str, Any] = {}
        if found["spec"] != rendered.spec:
            patch["spec"] = {**dict.fromkeys(found["spec"].keys() - rendered.spec.keys()), **rendered.spec}
        if not rendered.annotations.items() <= annotations_of(found).items():
            patch["metadata"] = {"annotations": dict(rendered.annotations)}
        if patch:
            await on.api.patch(ActorTemplate, found, patch)
        return Applied(Outcome.DONE, (accepted(),))


class PinnedApplying(V1Applying):
    """K3: a template that differs from what is rendered under its name is removed and made anew (K3-3)."""

    async def update(self, on: Pass, found: Object, rendered: Rendered) -> Applied:
        """One step: the golden, then the template, then (as there is none any more) a new one."""
        if found["spec"] == rendered.spec:
            return await super().update(on, found, rendered)
        step = Applied(Outcome.PROGRESS, (accepted(), recreating(rendered.name)))
        golden = golden_of(found)
        if golden and not await removal_step(on, GOLDEN_ATESPACE, golden):
            return step
        if not is_terminating(found):
            await on.api.delete(ActorTemplate, found)
        return step
