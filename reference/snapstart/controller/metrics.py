"""What /metrics of the snapshot controller shows (contract section 2)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from reference.snapstart.controller.artifacts import Note, What
from reference.snapstart.controller.statuses import COUNTERS
from reference.snapstart.records import ArtifactPhase, Owner

_PREFIX: Final = "agentcube_sandbox_snapshot"
_LABELS: Final = ("namespace", "snapshot")
_SECONDS: Final = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class Metrics:
    """Counters of what happened, gauges of what every snapshot's status says."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.build_seconds = Histogram(
            f"{_PREFIX}_build_duration_seconds",
            "From the beginning of a build to its Ready artifact.",
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.artifacts = Gauge(
            f"{_PREFIX}_artifacts",
            "Artifacts of the set that a status describes.",
            [*_LABELS, "phase"],
            registry=self.registry,
        )
        self.targets = Gauge(
            f"{_PREFIX}_target_node_count", "As in the status.", _LABELS, registry=self.registry
        )
        self.ready = Gauge(
            f"{_PREFIX}_ready_node_count", "As in the status.", _LABELS, registry=self.registry
        )
        self.rebuilds = Counter(
            f"{_PREFIX}_rebuild",
            "Sets begun in the place of an active one.",
            ["reason"],
            registry=self.registry,
        )
        self.tasks = Counter(
            "agentcube_snapshot_build_task", "Builds that have ended.", ["phase"], registry=self.registry
        )
        self.removed = Counter(
            "agentcube_snapshot_artifact_record_removed",
            "Records of artifacts removed.",
            ["reason"],
            registry=self.registry,
        )
        self.passes = Histogram("snapstart_pass_seconds", "How long a pass took.", registry=self.registry)

    def count(self, notes: Iterable[Note], obstacle: str | None) -> None:
        """Take in what a pass has changed, once its record is written."""
        for note in notes:
            match note.what:
                case What.REBUILD if obstacle is None:
                    self.rebuilds.labels(note.why).inc()
                case What.REMOVED:
                    self.removed.labels(note.why).inc()
                case What.TASK_READY:
                    self.tasks.labels("Ready").inc()
                    self.build_seconds.observe(note.seconds)
                case What.TASK_FAILED:
                    self.tasks.labels("Failed").inc()

    def show(self, owner: Owner, status: Mapping[str, Any]) -> None:
        """Take in a status."""
        where = (owner.namespace, owner.name)
        self.targets.labels(*where).set(status["targetNodeCount"])
        self.ready.labels(*where).set(status["readyNodeCount"])
        for phase, counter in COUNTERS.items():
            self.artifacts.labels(*where, phase).set(status[counter])

    def forget(self, namespace: str, name: str) -> None:
        """A snapshot is gone."""
        for gauge in (self.targets, self.ready):
            gauge.remove_by_labels({"namespace": namespace, "snapshot": name})
        for phase in ArtifactPhase:
            self.artifacts.remove_by_labels({"namespace": namespace, "snapshot": name, "phase": phase})
