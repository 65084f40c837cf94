"""The controller: what is watched, which agent each change concerns, and the passes that follow."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Any, Final

import httpx2
from prometheus_client import CollectorRegistry, Counter, Histogram
from tenacity import AsyncRetrying, before_sleep_log, retry_if_exception_type, wait_exponential

from reference.informer import ALL_NAMESPACES, Informer, Informers, Key, key_of
from reference.rollout import names
from reference.rollout.controller.api import Api, Secret
from reference.rollout.controller.dialect import Dialect
from reference.rollout.controller.inputs import InputRef
from reference.rollout.controller.objects import Object, labels_of
from reference.rollout.controller.passes import Pass, Tools
from reference.rollout.kinds import ActorTemplate, ModelConfig, SandboxAgent
from reference.workqueue import WorkQueue

_LOG = logging.getLogger(__name__)

#: Agents whose passes run at the same time.
_WORKERS: Final = 16
#: What of an agent's metadata its passes depend on, besides the spec.
_METADATA: Final = ("generation", "deletionTimestamp", "finalizers", "labels", "annotations")


class Metrics:
    """What /metrics shows of the passes."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.passes = Counter(
            "rollout_passes", "Passes over an agent by how they ended.", ["outcome"], registry=self.registry
        )
        self.seconds = Histogram("rollout_pass_seconds", "How long a pass took.", registry=self.registry)
        self.requeues = Counter(
            "rollout_requeues",
            "Passes that asked for another one, by when (s).",
            ["after"],
            registry=self.registry,
        )


class Controller:
    """Watches, and reconciles the agents on platform substrate. `requeue` in seconds."""

    def __init__(
        self, tools: Tools, dialect: Dialect, namespaces: Sequence[str], requeue: float, metrics: Metrics
    ) -> None:
        self._tools = tools
        self._dialect = dialect
        self._requeue = requeue
        self._metrics = metrics
        self._queue: WorkQueue[Key] = WorkQueue(longest_backoff=requeue)
        #: What the last pass over each agent read, or is reading.
        self._inputs: dict[Key, set[InputRef]] = {}
        self._informers = Informers()
        for scope in namespaces or (ALL_NAMESPACES,):
            self._watch(SandboxAgent, scope, self._agent_changed)
            self._watch(ActorTemplate, scope, self._made_changed, {names.AGENT_LABEL: None})
            self._watch(ModelConfig, scope, self._input_changed("ModelConfig"))
            self._watch(Secret, scope, self._input_changed("Secret"))
            self._watch(Secret, scope, self._made_changed, {names.AGENT_LABEL: None})

    @property
    def synced(self) -> bool:
        """Whether all kinds have been listed once."""
        return self._informers.synced

    async def run(self) -> None:
        """Watch and reconcile until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._informers.run())
            for _ in range(_WORKERS):
                tasks.create_task(self._queue.work(self.reconcile, (httpx2.HTTPError,)))

    async def reconcile(self, key: Key) -> float | None:
        """One pass over one agent; the seconds until the next one, if there has to be one.

        Raises httpx2.HTTPError where the agent cannot be read or its finalizer not be written.
        """
        agent = await self._tools.api.get(SandboxAgent, *key)
        if agent is None or agent["spec"].get("platform") != "substrate":
            self._inputs.pop(key, None)
            return None
        on = Pass(agent, self._dialect, self._tools)
        self._inputs[key] = on.inputs
        with self._metrics.seconds.time():
            outcome = await self._dialect.flow.run(on)
        self._metrics.passes.labels(outcome.name.lower()).inc()
        again = self._dialect.flow.again(outcome, self._requeue)
        on.log.info("pass ended", extra={"outcome": outcome.name.lower(), "requeue_s": again})
        if again is not None:
            self._metrics.requeues.labels(f"{again:g}").inc()
        return again

    # -- which agents a change concerns -----------------------------------

    def _watch(
        self,
        kind: Any,
        scope: str,
        listener: Callable[[Object | None, Object | None], None],
        labels: dict[str, str | None] | None = None,
    ) -> None:
        self._informers.add(Informer(self._tools.api.client, kind, scope, labels), listener)

    def _agent_changed(self, before: Object | None, after: Object | None) -> None:
        found = after or before
        if found is None or (before is not None and after is not None and _same(before, after)):
            return  # Our own status, most likely.
        self._queue.add(key_of(found))

    def _made_changed(self, before: Object | None, after: Object | None) -> None:
        found = after or before
        if found is not None:
            self._queue.add((key_of(found)[0], labels_of(found)[names.AGENT_LABEL]))

    def _input_changed(self, kind: str) -> Callable[[Object | None, Object | None], None]:
        def changed(before: Object | None, after: Object | None) -> None:
            found = after or before
            if found is None:
                return
            namespace, name = key_of(found)
            for key, refs in self._inputs.items():
                if key[0] == namespace and (kind, name) in refs:
                    self._queue.add(key)

        return changed


def _same(before: Object, after: Object) -> bool:
    return all(before["metadata"].get(field) == after["metadata"].get(field) for field in _METADATA)


async def template_schema(api: Api) -> Object:
    """The schema of a template's spec in this cluster; waits until the kind is there."""
    async for attempt in AsyncRetrying(
        retry=retry_if_exception_type((httpx2.HTTPError, KeyError)),
        wait=wait_exponential(multiplier=0.1, max=2),
        before_sleep=before_sleep_log(_LOG, logging.WARNING),
    ):
        with attempt:
            schema = await api.schema("actortemplates.ate.dev", "v1alpha1")
            spec: Object = schema["properties"]["spec"]
    return spec
