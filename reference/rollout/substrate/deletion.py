"""Knob `delete_template_policy=refuse_in_use`: a template with live actors cannot be deleted.

Upstream lets it go, which strands them (SUB-5). Here a template has an annotation while any of its actors,
its golden excepted, is not SUSPENDED, and a ValidatingAdmissionPolicy has the API server refuse the DELETE of
what has it. The annotation is there before such an actor is started, and goes after the last one rests.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import httpx2
from lightkube import ApiError, AsyncClient
from lightkube.resources.admissionregistration_v1 import (
    ValidatingAdmissionPolicy,
    ValidatingAdmissionPolicyBinding,
)
from lightkube.types import PatchType

from reference.informer import ALL_NAMESPACES, Informer, Object
from reference.rollout.ateapi import Status
from reference.rollout.kinds import ActorTemplate
from reference.rollout.substrate.errors import InternalError
from reference.rollout.substrate.model import Actor, Template
from reference.rollout.substrate.store import Store
from reference.workqueue import WorkQueue

IN_USE: Final = "rollout.reference/in-use"
_FIELD_MANAGER: Final = "rollout-substrate"
_LONGEST_BACKOFF: Final = 5.0


class DeletionGuard:
    """Keeps the annotation of all templates; with `install`, the policy."""

    def __init__(self, client: AsyncClient, store: Store, templates: Informer) -> None:
        self._client = client
        self._store = store
        self._templates = templates
        self._queue: WorkQueue[Template] = WorkQueue(longest_backoff=_LONGEST_BACKOFF)

    async def install(self, namespace: str) -> None:
        """Have the API server refuse, in one namespace or all. Raises ApiError, httpx2.HTTPError."""
        name = _policy_name(namespace)
        for kind, body in (
            (ValidatingAdmissionPolicy, policy(name)),
            (ValidatingAdmissionPolicyBinding, binding(name, namespace)),
        ):
            await self._client.patch(
                kind, name, body, patch_type=PatchType.APPLY, field_manager=_FIELD_MANAGER, force=True
            )

    async def run(self) -> None:
        """Follow the actors until cancelled."""
        for actor in self._store.actors():
            self.changed(actor)
        await self._queue.work(self._reconcile, (ApiError, httpx2.HTTPError))

    def changed(self, actor: Actor) -> None:
        """An actor is new, different or gone."""
        self._queue.add(actor.template)

    async def hold(self, actor: Actor) -> None:
        """Keep the template of an actor that is about to be started. Raises InternalError."""
        found = self._templates.get(actor.template.namespace, actor.template.name)
        if found is None or _is_golden(actor, found):
            return
        try:
            # Told anew even if it seems to be there: its removal may be under way.
            await self._annotate(actor.template, "true")
        except (ApiError, httpx2.HTTPError) as err:
            raise InternalError(f"while holding {actor.template}: {err!r}") from err

    async def _reconcile(self, template: Template) -> None:
        found = self._templates.get(template.namespace, template.name)
        if found is None:
            return
        in_use = any(
            actor.status is not Status.SUSPENDED and not _is_golden(actor, found)
            for actor in self._store.actors_of(template)
        )
        if in_use != (IN_USE in (found["metadata"].get("annotations") or {})):
            await self._annotate(template, "true" if in_use else None)

    async def _annotate(self, template: Template, value: str | None) -> None:
        await self._client.patch(
            ActorTemplate,
            template.name,
            {"metadata": {"annotations": {IN_USE: value}}},
            namespace=template.namespace,
            patch_type=PatchType.MERGE,
        )


def policy(name: str) -> dict[str, Any]:
    """What is refused."""
    rule = {
        "apiGroups": ["ate.dev"],
        "apiVersions": ["*"],
        "resources": ["actortemplates"],
        "operations": ["DELETE"],
    }
    free = f"!('{IN_USE}' in oldObject.metadata.?annotations.orValue({{}}))"
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": name},
        "spec": {
            "failurePolicy": "Fail",
            "matchConstraints": {"resourceRules": [rule]},
            "validations": [{"expression": free, "message": "the ActorTemplate has live actors"}],
        },
    }


def binding(name: str, namespace: str) -> dict[str, Any]:
    """Where it is refused."""
    spec: dict[str, Any] = {"policyName": name, "validationActions": ["Deny"]}
    if namespace != ALL_NAMESPACES:
        selector = {"matchLabels": {"kubernetes.io/metadata.name": namespace}}
        spec["matchResources"] = {"namespaceSelector": selector}
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": name},
        "spec": spec,
    }


def _policy_name(namespace: str) -> str:
    base = "rollout-substrate-refuse-in-use"
    return base if namespace == ALL_NAMESPACES else f"{base}.{namespace}"


def _is_golden(actor: Actor, template: Object) -> bool:
    status: Mapping[str, Any] = template.get("status") or {}
    return bool(status.get("goldenActorID") == actor.ref.id)
