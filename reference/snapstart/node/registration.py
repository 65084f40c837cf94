"""The node as the cluster sees it: its Node object, its Lease, and whether it is in touch at all."""

from __future__ import annotations

import asyncio
import datetime
import logging
import platform
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import httpx2
from lightkube.types import PatchType

from reference.api import Api, status_of
from reference.objects import Object, as_time, uid_of
from reference.snapstart.kinds import Lease, Node

_LOG = logging.getLogger(__name__)

LEASE_NAMESPACE: Final = "kube-node-lease"
#: Seconds after which a Lease that is not renewed has expired; kubelet's own.
_LEASE_SECONDS: Final = 40

#: What nobody here can run out of.
_PRESSURES: Final = ("MemoryPressure", "DiskPressure", "PIDPressure")

#: What goes wrong between a node and its API server.
UNREACHABLE: Final = (httpx2.HTTPError,)


@dataclass(frozen=True)
class Identity:
    """What the node says of itself. `pods` is how many it takes; `taints` are as in a Node's spec."""

    name: str
    address: str
    pods: int
    labels: Mapping[str, str] = field(default_factory=dict)
    taints: tuple[Mapping[str, str], ...] = ()
    cpu: str = "64"
    memory: str = "256Gi"

    @property
    def all_labels(self) -> dict[str, str]:
        """Its own labels beside those that every node has."""
        arm = platform.machine() in ("arm64", "aarch64")
        return {
            "kubernetes.io/hostname": self.name,
            "kubernetes.io/os": "linux",
            "kubernetes.io/arch": "arm64" if arm else "amd64",
            **self.labels,
        }


class Contact:
    """Whether the node is in touch with the cluster; if not, it neither hears nor says anything.

    Its processes go on meanwhile, as they do on a machine whose network failed.
    """

    def __init__(self) -> None:
        self._held = asyncio.Event()
        self._held.set()
        self._listeners: list[Callable[[], None]] = []

    @property
    def held(self) -> bool:
        """Whether it is in touch."""
        return self._held.is_set()

    async def wait(self) -> None:
        """Return when it is in touch."""
        await self._held.wait()

    def on_return(self, listener: Callable[[], None]) -> None:
        """Call `listener()` each time it is in touch again."""
        self._listeners.append(listener)

    def lose(self) -> None:
        """Be out of touch from now on."""
        self._held.clear()

    def regain(self) -> None:
        """Be in touch again."""
        if not self.held:
            self._held.set()
            for listener in self._listeners:
                listener()


class Registration:
    """Makes the Node and keeps it Ready, as a kubelet does: every `period_s` seconds."""

    def __init__(self, api: Api, identity: Identity, contact: Contact, period_s: float) -> None:
        self._api = api
        self._identity = identity
        self._contact = contact
        self._period = period_s
        self._node_uid = ""
        self.registered = asyncio.Event()
        #: How many times the Lease was renewed.
        self.beats = 0

    async def register(self) -> None:
        """Make the Node, or take over the one of that name; tried until it works."""
        pause = 0.05
        while not self.registered.is_set():
            try:
                await self._register()
                await self._renew()
                self.registered.set()
                _LOG.info("registered", extra={"node": self._identity.name, "uid": self._node_uid})
            except UNREACHABLE as err:
                _LOG.warning("not registered yet", extra={"error": repr(err)})
                await asyncio.sleep(pause)
                pause = min(2 * pause, 2.0)

    async def run(self) -> None:
        """Renew Lease and status until cancelled; a Node that somebody deleted is not made again."""
        while True:
            await asyncio.sleep(self._period)
            await self._contact.wait()
            try:
                await self._renew()
                await self._refresh()
            except UNREACHABLE as err:
                _LOG.warning("heartbeat failed", extra={"error": repr(err)})

    async def _register(self) -> None:
        found = await self._api.get(Node, "", self._identity.name)
        if found is None:
            found = await self._api.create(Node, node_object(self._identity, _now()))
        else:
            labels = {"metadata": {"labels": self._identity.all_labels}}
            await self._api.client.patch(Node, self._identity.name, labels, patch_type=PatchType.MERGE)
            await self._write_status(found)
        self._node_uid = uid_of(found)

    async def _refresh(self) -> None:
        found = await self._api.get(Node, "", self._identity.name)
        if found is None:
            _LOG.warning("the Node is gone", extra={"node": self._identity.name})
        elif not is_ready(found):
            await self._write_status(found)

    async def _write_status(self, found: Object) -> None:
        status = {"status": node_status(self._identity, _now(), found)}
        name = self._identity.name
        await self._api.client.patch(Node.Status, name, status, patch_type=PatchType.STRATEGIC)

    async def _renew(self) -> None:
        name = self._identity.name
        renewal = lease_object(name, self._node_uid, datetime.datetime.now(datetime.UTC))
        try:
            await self._api.client.patch(
                Lease, name, renewal, namespace=LEASE_NAMESPACE, patch_type=PatchType.MERGE
            )
        except httpx2.HTTPError as err:
            if status_of(err) != 404:
                raise
            await self._api.create(Lease, renewal)
        self.beats += 1


def node_object(identity: Identity, now: str) -> dict[str, Any]:
    """A new Node, Ready from the start."""
    return {
        "metadata": {"name": identity.name, "labels": identity.all_labels},
        "spec": {"taints": [dict(taint) for taint in identity.taints]},
        "status": node_status(identity, now),
    }


def node_status(identity: Identity, now: str, before: Object | None = None) -> dict[str, Any]:
    """The status of a Node that is Ready now."""
    resources = {"cpu": identity.cpu, "memory": identity.memory, "pods": str(identity.pods)}
    known = ((before or {}).get("status") or {}).get("conditions") or ()
    there = {condition["type"]: condition for condition in known}

    def condition(kind: str, status: str, reason: str) -> dict[str, str]:
        old = there.get(kind, {})
        since = old.get("lastTransitionTime") if old.get("status") == status else None
        return {
            "type": kind,
            "status": status,
            "reason": reason,
            "message": "",
            "lastHeartbeatTime": now,
            "lastTransitionTime": since or now,
        }

    return {
        "addresses": [
            {"type": "InternalIP", "address": identity.address},
            {"type": "Hostname", "address": identity.name},
        ],
        "capacity": resources,
        "allocatable": resources,
        "conditions": [
            *(condition(kind, "False", "NothingToRunOutOf") for kind in _PRESSURES),
            condition("Ready", "True", "KubeletReady"),
        ],
    }


def lease_object(name: str, node_uid: str, now: datetime.datetime) -> dict[str, Any]:
    """The Lease of a node, renewed now."""
    owner = {"apiVersion": "v1", "kind": "Node", "name": name, "uid": node_uid}
    return {
        "metadata": {"name": name, "namespace": LEASE_NAMESPACE, "ownerReferences": [owner]},
        "spec": {
            "holderIdentity": name,
            "leaseDurationSeconds": _LEASE_SECONDS,
            "renewTime": now.isoformat(timespec="microseconds").replace("+00:00", "Z"),
        },
    }


def is_ready(node: Object) -> bool:
    """Whether a Node's condition Ready is True."""
    conditions = (node.get("status") or {}).get("conditions") or ()
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


def _now() -> str:
    return as_time(datetime.datetime.now(datetime.UTC))
