"""A process node put together: registration, kubelet, agent, and the pages that tell of them."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import logging
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from reference.api import Api
from reference.informer import Informer, Informers
from reference.ownership import own
from reference.program import IN_USE_LIMIT, Address, listening, status_pages
from reference.snapstart.drivers.driver import Driver
from reference.snapstart.kinds import Pod, SandboxSnapshot, SandboxSnapshotTask
from reference.snapstart.node.addresses import Addresses
from reference.snapstart.node.kubelet import Limits
from reference.snapstart.node.ledger import Ledger
from reference.snapstart.node.metrics import Metrics
from reference.snapstart.node.pages import routes
from reference.snapstart.node.parts import Parts
from reference.snapstart.node.probing import PATH, Prober
from reference.snapstart.node.processes import ancestors, marked, table
from reference.snapstart.node.registration import Contact, Identity, Registration
from reference.snapstart.node.runtimelayer import MARK, Options

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Settings:
    """What a node is told at its start.

    kubeconfig, agent_kubeconfig: who it is as kubelet and as agent.
    state: its folder; whatever it starts carries the folder's name in its environment.
    heartbeat_s: seconds between two renewals of its Lease.
    create_limit_s: seconds that an artifact may take.
    session_page: what a session is asked for to know whether it serves.
    """

    name: str
    network: ipaddress.IPv4Network
    kubeconfig: Path
    agent_kubeconfig: Path
    state: Path
    http: Address
    options: Options
    limits: Limits
    heartbeat_s: float
    create_limit_s: float
    labels: Mapping[str, str] = field(default_factory=dict)
    taints: tuple[Mapping[str, str], ...] = ()
    session_page: str = PATH


async def serve(settings: Settings, parts: Parts, driver: Driver | None) -> None:
    """Be the node until cancelled; processes of Pods go on after that. Without a driver it has no agent."""
    contact, metrics = Contact(), Metrics()
    ledger = Ledger(settings.state)
    addresses = Addresses(settings.network, (entry.address for entry in ledger.list()))
    metrics.pods.set_function(lambda: len(ledger.list()))
    ready = asyncio.Event()
    async with contextlib.AsyncExitStack() as stack:
        api = Api.connect(settings.kubeconfig, "snapstart-node")
        stack.push_async_callback(api.close)
        agent_api = Api.connect(settings.agent_kubeconfig, "snapstart-agent")
        stack.push_async_callback(agent_api.close)
        identity = Identity(settings.name, addresses.own, addresses.number, settings.labels, settings.taints)
        registration = Registration(api, identity, contact, settings.heartbeat_s)
        metrics.heartbeats.set_function(lambda: registration.beats)
        pods = Informer(api.client, Pod, fields={"spec.nodeName": settings.name})
        tasks = Informer(agent_api.client, SandboxSnapshotTask)
        snapshots = Informer(agent_api.client, SandboxSnapshot)
        layer = parts.layer(driver, ledger, settings.options, metrics)
        prober = await stack.enter_async_context(Prober(settings.session_page))
        kubelet = parts.kubelet(
            api, pods, ledger, layer, addresses, contact, prober, metrics, settings.limits
        )
        pages = status_pages(ready.is_set, metrics.registry)
        pages.add_routes(routes(kubelet, contact, driver))
        await stack.enter_async_context(listening(pages, settings.http))

        group = await stack.enter_async_context(asyncio.TaskGroup())
        informers = Informers(pods) if driver is None else Informers(pods, tasks, snapshots)
        await registration.register()
        group.create_task(informers.run())
        await informers.until_synced()
        group.create_task(kubelet.run())
        group.create_task(registration.run())
        if driver is not None:
            agent = parts.agent(
                agent_api,
                settings.name,
                driver,
                kubelet,
                layer,
                tasks,
                snapshots,
                contact,
                metrics,
                settings.create_limit_s,
            )
            group.create_task(agent.run())
        _LOG.info("serving", extra={"node": settings.name, "driver": driver and driver.name})
        ready.set()
        await asyncio.Event().wait()


async def sweep(state: Path) -> int:
    """End what a former process of this node started and could not record any more; how many it were."""
    rows = await asyncio.to_thread(table)
    left = marked(MARK, str(state), rows)
    for entry in Ledger(state).list():
        if entry.process is not None:
            # What is above a session holds its namespaces, or is a template that its driver will end.
            left -= entry.scope([entry.process], rows) | ancestors([entry.process], rows)
    for pid in left:
        _LOG.warning("ending a process that no Pod has", extra={"pid": pid})
    await asyncio.gather(*(rows[pid].identity.kill() for pid in left))
    return len(left)


@contextlib.contextmanager
def owning(state: Path, limit_s: float = IN_USE_LIMIT) -> Iterator[None]:
    """Be the only node on a state folder; what is started meanwhile is marked as this node's.

    Raises TimeoutError if another process holds it for `limit_s` seconds.
    """
    lock = own(state, limit_s)
    try:
        os.environ[MARK] = str(state)
        yield
    finally:
        lock.release()
