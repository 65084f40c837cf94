"""The kubelet: Pods of this node become processes, and what became of them becomes their status.

Level-triggered: whatever happened, `plan.action` names the next step of a Pod from the Pod and the ledger as
they are now. A process that ends is not started again: its Pod has failed.
"""

from __future__ import annotations

import asyncio
import datetime
import logging
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final

import httpx2
from lightkube.types import PatchType

from reference.api import Api, status_of
from reference.informer import Informer
from reference.objects import Object, as_time, name_of, namespace_of, uid_of, version_of
from reference.processes import ProcessIdentity
from reference.snapstart.kinds import MODE_BUILD, Pod
from reference.snapstart.node import status
from reference.snapstart.node.addresses import Addresses, NoAddress
from reference.snapstart.node.builds import Build, build
from reference.snapstart.node.environment import Missing, resolved, sources
from reference.snapstart.node.inputs import Inputs
from reference.snapstart.node.ledger import BUILD, COLD, RESTORED, Entry, Ledger
from reference.snapstart.node.metrics import Metrics
from reference.snapstart.node.plan import Action, action
from reference.snapstart.node.pods import Unsupported, grace_of, owner_name, requested
from reference.snapstart.node.probing import Prober
from reference.snapstart.node.processes import Deaths, end
from reference.snapstart.node.registration import UNREACHABLE, Contact
from reference.snapstart.node.runtimelayer import NotRestored, Policy, RuntimeLayer, now_ns
from reference.snapstart.node.turns import Turns
from reference.workqueue import WorkQueue

_LOG = logging.getLogger(__name__)

#: Reason of a Pod whose process cannot be started on this machine.
START_ERROR: Final = "StartError"
#: Seconds at most until a failed step of a Pod is tried again.
_LONGEST_BACKOFF: Final = 5.0
#: Seconds until what a Pod waits for (an address, a ConfigMap) is looked for again.
_WAITING: Final = 0.5
#: Seconds that a process may take for its first answer before its Pod is said to run and not to be ready.
_QUIET: Final = 1.0
#: Pods that are dealt with at the same time; most of them wait for something.
_WORKERS: Final = 64


@dataclass(frozen=True)
class Limits:
    """`cold_starts`: processes that may be starting cold at once, 0 is any number; `start_s`: seconds that
    one may take until its first answer."""

    cold_starts: int
    start_s: float


class Kubelet:
    """All Pods of one node."""

    def __init__(
        self,
        api: Api,
        pods: Informer,
        ledger: Ledger,
        layer: RuntimeLayer,
        addresses: Addresses,
        contact: Contact,
        prober: Prober,
        metrics: Metrics,
        limits: Limits,
    ) -> None:
        self._api = api
        self._informer = pods
        self._ledger = ledger
        self._layer = layer
        self._addresses = addresses
        self._contact = contact
        self._prober = prober
        self._metrics = metrics
        self._limits = limits
        self._inputs = Inputs(api)
        self._queue: WorkQueue[str] = WorkQueue(longest_backoff=_LONGEST_BACKOFF)
        self._turns = Turns(limits.cold_starts, self._queue.add)
        self._deaths = Deaths()
        self._pods: dict[str, Object] = {}
        self._answered: dict[str, int] = {}
        self._codes: dict[str, int | None] = {}
        self._listeners: list[Callable[[], None]] = []

    def on_change(self, listener: Callable[[], None]) -> None:
        """Call `listener()` when a process has answered for the first time, or is gone."""
        self._listeners.append(listener)

    async def run(self) -> None:
        """Deal with Pods until cancelled. The informer must be synced, and leftovers be swept."""
        for entry in self._ledger.list():
            self._watch(entry)
        self._informer.listen(self._heard)
        for pod in self._informer.list():
            self._heard(None, pod)
        self._contact.on_return(self._all_again)
        self._all_again()
        try:
            async with asyncio.TaskGroup() as tasks:
                for _ in range(_WORKERS):
                    tasks.create_task(self._queue.work(self._reconcile, expected=UNREACHABLE))
        finally:
            self._deaths.close()

    def build_of(self, namespace: str, sandbox: str) -> Build:
        """The process of a Sandbox, as a source of artifacts."""
        pods = [
            pod
            for pod in self._pods.values()
            if namespace_of(pod) == namespace and owner_name(pod, "Sandbox") == sandbox
        ]
        entries = [self._ledger.get(uid_of(pod)) for pod in pods]
        return build(pods, [entry for entry in entries if entry is not None], self._answered)

    def told(self) -> list[dict[str, Any]]:
        """Every Pod with an entry: the entry without its secret, and when its process first answered."""
        told = []
        for entry in self._ledger.list():
            known = {**entry.to_dict(), "answered_ns": self._answered.get(entry.uid, 0)}
            del known["token"]
            told.append(known)
        return told

    # -- one step of one Pod ------------------------------------------------

    async def _reconcile(self, uid: str) -> float | None:
        if not self._contact.held:
            return None
        pod, entry = self._pods.get(uid), self._ledger.get(uid)
        runs = entry is not None and entry.process is not None and entry.process.alive
        step = action(pod, entry, runs=runs)
        if step is Action.REST:
            return None
        if pod is None or step is Action.RELEASE:
            assert entry is not None
            await self._release(entry)
            return None
        if step is Action.FINISH:
            await self._finish(pod, entry)
            return None
        if step is Action.REPORT_LOSS:
            await self._over(pod, None, "ProcessLost", "the node has no record of the Pod's process")
            return None
        try:
            if entry is None:
                entry = self._accept(pod)
            if step is Action.REPORT_END:
                await self._report_end(pod, entry)
                return None
            if entry.process is None:
                entry = await self._start(pod, entry)
            return None if entry is None else await self._observe(pod, entry)
        except (NoAddress, Missing) as err:
            await self._say(pod, status.waiting(pod, type(err).__name__, str(err), _now()))
            return _WAITING
        except Unsupported as err:
            await self._over(pod, entry, "Unsupported", str(err))
        except OSError as err:
            await self._over(pod, entry, START_ERROR, f"the process cannot be started: {err}")
        return None

    def _accept(self, pod: Object) -> Entry:
        request = requested(pod)
        entry = Entry(request, self._addresses.take(), secrets.token_hex(16), seen_ns=now_ns())
        try:
            self._ledger.put(entry)
        except OSError:
            self._addresses.give_back(entry.address)
            raise
        return entry

    async def _start(self, pod: Object, entry: Entry) -> Entry | None:
        """The entry with its process; None if the Pod has ended instead, or waits for its turn."""
        environment = await self._environment(pod, entry)
        if entry.tries_restore:
            try:
                process = await self._layer.restore(entry, environment)
            except NotRestored as err:
                if self._layer.policy is Policy.FAIL:
                    await self._over(pod, entry, "RestoreFailed", str(err))
                    return None
                entry = replace(entry, fallback=err.result)
                self._ledger.put(entry)
            else:
                return await self._started(entry, RESTORED, process)
        if not self._turns.take(entry.uid):
            return None
        process = await self._layer.start(entry, environment)
        way = BUILD if entry.request.mode == MODE_BUILD else COLD
        return await self._started(entry, way, process)

    async def _started(self, entry: Entry, way: str, process: ProcessIdentity) -> Entry:
        entry = replace(entry, way=way, process=process, up_ns=now_ns(), started_at=_now())
        try:
            self._ledger.put(entry)
        except OSError:
            # What cannot be recorded would not be found again.
            await end(process, 0, entry.scope)
            raise
        self._watch(entry)
        self._metrics.starts.labels(entry.way).inc()
        return entry

    async def _observe(self, pod: Object, entry: Entry) -> float | None:
        ready = entry.uid in self._answered or await self._first_answer(entry)
        waited_s = (now_ns() - entry.up_ns) / 1e9
        if not ready and waited_s > self._limits.start_s:
            message = f"no answer within {self._limits.start_s:g} s. {self._ledger.last_words(entry.uid)}"
            await self._over(pod, entry, "StartTimeout", message)
            return None
        if ready or waited_s > _QUIET:
            said = status.running(pod, entry, ready=ready, host=self._addresses.own, now=_now())
            await self._say(pod, said)
        return None if ready else self._prober.pause

    async def _first_answer(self, entry: Entry) -> bool:
        session = entry.way != BUILD
        if not await self._prober.answers(entry.uid, entry.address, entry.request.port, session=session):
            return False
        self._answered[entry.uid] = now_ns()
        self._turns.leave(entry.uid)
        self._metrics.start_seconds.labels(entry.way).observe((now_ns() - entry.seen_ns) / 1e9)
        self._changed()
        return True

    async def _report_end(self, pod: Object, entry: Entry) -> None:
        if entry.uid not in self._codes:
            # Word of its end, with the exit code, is on its way.
            return
        self._metrics.ends.inc()
        code = self._codes[entry.uid]
        how = "" if code is None else f" by signal {-code}" if code < 0 else f" with exit code {code}"
        message = f"the process ended{how}. {self._ledger.last_words(entry.uid)}"
        await self._over(pod, entry, "ProcessEnded", message, code)

    async def _over(
        self, pod: Object, entry: Entry | None, reason: str, message: str, code: int | None = None
    ) -> None:
        """The Pod has ended, and nothing of it stays here."""
        _LOG.warning("pod ended", extra={"pod": name_of(pod), "reason": reason, "why": message})
        await self._say(pod, status.ended(pod, reason, message, _now(), code))
        known = entry or self._ledger.get(uid_of(pod))
        if known is not None:
            await self._release(known)

    async def _finish(self, pod: Object, entry: Entry | None) -> None:
        if entry is not None and entry.process is not None:
            await end(entry.process, grace_of(pod), entry.scope)
        await self._api.delete(Pod, pod, grace=0)
        if entry is not None:
            await self._release(entry)

    async def _release(self, entry: Entry) -> None:
        if entry.process is not None:
            await end(entry.process, 0, entry.scope)
        self._turns.leave(entry.uid)
        self._prober.forget(entry.uid)
        self._layer.cleaned(entry)
        self._ledger.remove(entry.uid)
        self._addresses.give_back(entry.address)
        self._answered.pop(entry.uid, None)
        self._codes.pop(entry.uid, None)
        self._changed()

    # -- around it ------------------------------------------------------------

    async def _environment(self, pod: Object, entry: Entry) -> Mapping[str, str]:
        data = await self._inputs.read(namespace_of(pod), sources(pod))
        return resolved(pod, data, entry.address, self._addresses.own)

    async def _say(self, pod: Object, said: status.Status) -> None:
        uid = uid_of(pod)
        if status.says(self._pods.get(uid, pod), said):
            return
        patch = {"metadata": {"uid": uid}, "status": said}
        client, name, namespace = self._api.client, name_of(pod), namespace_of(pod)
        try:
            after: Any = await client.patch(
                Pod.Status, name, patch, namespace=namespace, patch_type=PatchType.STRATEGIC
            )
        except httpx2.HTTPError as err:
            # Gone, or another of that name is there: the informer will say so.
            if status_of(err) not in (404, 409):
                raise
            return
        # The watch may have told of a later change, a deletion say, before this answer came.
        changed, known = after.to_dict(), self._pods.get(uid)
        if known is not None and int(version_of(changed)) > int(version_of(known)):
            self._pods[uid] = changed

    def _heard(self, before: Object | None, after: Object | None) -> None:
        if before is not None and (after is None or uid_of(after) != uid_of(before)):
            self._pods.pop(uid_of(before), None)
            self._queue.add(uid_of(before))
        if after is not None:
            self._pods[uid_of(after)] = after
            self._queue.add(uid_of(after))

    def _all_again(self) -> None:
        for uid in self._pods.keys() | {entry.uid for entry in self._ledger.list()}:
            self._queue.add(uid)

    def _watch(self, entry: Entry) -> None:
        if entry.process is not None:
            self._deaths.watch(entry.process, partial(self._died, entry.uid))

    def _died(self, uid: str, code: int | None) -> None:
        if self._ledger.get(uid) is not None:
            self._codes[uid] = code
            self._queue.add(uid)

    def _changed(self) -> None:
        for listener in self._listeners:
            listener()


def _now() -> str:
    return as_time(datetime.datetime.now(datetime.UTC))
