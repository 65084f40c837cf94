"""What /metrics says of the substrate beside the duration of calls: counted when it is asked for."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from reference.rollout.substrate.golden import GoldenMachine
from reference.rollout.substrate.store import Store


class StateCollector(Collector):
    """Actors by state, workers, snapshots, workloads, and templates that wait for their golden."""

    def __init__(self, store: Store, golden: GoldenMachine) -> None:
        self._store = store
        self._golden = golden

    def register_in(self, registry: CollectorRegistry) -> None:
        """Be part of a page."""
        registry.register(self)

    def collect(self) -> Iterator[Metric]:
        """The numbers as they are now."""
        actors = GaugeMetricFamily("substrate_actors", "Actors by state.", labels=["status"])
        for status, number in self._store.count_actors().items():
            actors.add_metric([status.name], number)
        yield actors
        workers = GaugeMetricFamily("substrate_workers", "Workers, assigned or free.", labels=["state"])
        assigned = [actor is not None for _, actor in self._store.workers()]
        workers.add_metric(["assigned"], sum(assigned))
        workers.add_metric(["free"], len(assigned) - sum(assigned))
        yield workers
        snapshots = self._store.count_snapshots()
        yield GaugeMetricFamily("substrate_snapshots", "Snapshots that are kept.", snapshots)
        workloads = len(self._store.workloads())
        yield GaugeMetricFamily("substrate_workloads", "Processes that are actors.", workloads)
        waiting = len(self._golden.queue)
        yield GaugeMetricFamily("substrate_golden_queue", "Templates to be reconciled.", waiting)
