"""What /metrics says of a node, beside what is counted when it is asked for."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from reference.snapstart.fired import FIRED

#: Seconds: from the forks of a template to the slowest imports.
_BUCKETS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0)


class Metrics:
    """The numbers of one node, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.registry.register(FIRED)
        self.starts = Counter(
            "snapstart_node_starts",
            "Processes started for Pods, by how: cold, restored, build.",
            ["way"],
            registry=self.registry,
        )
        self.start_seconds = Histogram(
            "snapstart_node_start_duration_seconds",
            "From the first look at a Pod to the first answer of its process.",
            ["way"],
            buckets=_BUCKETS,
            registry=self.registry,
        )
        self.restores = Counter(
            "snapstart_node_restores",
            "Restores that were tried, by result: restored, no_artifact, failed, timeout.",
            ["result"],
            registry=self.registry,
        )
        self.ends = Counter(
            "snapstart_node_process_ends",
            "Processes that ended without having been told to.",
            registry=self.registry,
        )
        self.pods = Gauge(
            "snapstart_node_pods", "Pods that have an address of the node.", registry=self.registry
        )
        self.heartbeats = Gauge(
            "snapstart_node_heartbeats", "Times that the Lease was renewed.", registry=self.registry
        )
        self.tasks = Counter(
            "snapstart_node_tasks",
            "Snapshot tasks that were answered, by phase: Ready, Failed.",
            ["phase"],
            registry=self.registry,
        )
        self.artifacts = Gauge(
            "snapstart_node_artifacts", "Artifacts that can be restored.", registry=self.registry
        )
