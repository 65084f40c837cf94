"""The build Sandboxes and tasks that a record takes, and those that it no longer needs. Pure."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from reference.objects import Object, controlled_by, from_time, is_terminating, name_of, uid_of
from reference.snapstart.blueprints import sandbox_spec
from reference.snapstart.controller.facts import Facts
from reference.snapstart.kinds import (
    AGENTS_GROUP,
    AGENTS_VERSION,
    API_VERSION,
    MANAGED_BY,
    MODE_BUILD,
    MODE_VARIABLE,
    SNAPSHOT_CONTROLLER,
    SNAPSHOT_UID,
)
from reference.snapstart.records import Artifact, ArtifactPhase, Manifest


@dataclass(frozen=True)
class Build:
    """One build under way: its artifact's Sandbox and task have the same name."""

    artifact: Artifact

    @property
    def name(self) -> str:
        """The name of both."""
        return self.artifact.build


def labels(snapshot: Object) -> dict[str, str]:
    """Labels of everything that is made for a snapshot."""
    return {MANAGED_BY: SNAPSHOT_CONTROLLER, SNAPSHOT_UID: uid_of(snapshot)}


class Builds:
    """What builds are made of, and when they are cleaned up."""

    def under_way(self, manifest: Manifest) -> list[Build]:
        """All builds of a record."""
        return [
            Build(artifact)
            for found in manifest.artifact_sets.values()
            for artifact in found.in_phase(ArtifactPhase.CREATING)
        ]

    def sandbox(self, facts: Facts, build: Build) -> dict[str, Any]:
        """The build Sandbox: the template's Pod on one node, told to wait at its safe point."""
        assert facts.source is not None
        return {
            "apiVersion": f"{AGENTS_GROUP}/{AGENTS_VERSION}",
            "kind": "Sandbox",
            "metadata": self.metadata(facts, build),
            "spec": sandbox_spec(
                facts.source,
                labels=labels(facts.snapshot),
                annotations={},
                pod={**self.node(build), "containers": self.containers(facts)},
            ),
        }

    def node(self, build: Build) -> dict[str, str]:
        """What of a Pod spec puts it on the node of its build."""
        return {"nodeName": build.artifact.node_name}

    def containers(self, facts: Facts) -> list[dict[str, Any]]:
        """The containers of a build's Pod."""
        mode = {"name": MODE_VARIABLE, "value": MODE_BUILD}
        return [
            {
                **container,
                "env": [*(e for e in container.get("env") or () if e["name"] != MODE_VARIABLE), mode],
            }
            for container in facts.spec["containers"]
        ]

    def task(self, facts: Facts, build: Build) -> dict[str, Any]:
        """The task that asks the agent of the node for an artifact."""
        artifact = build.artifact
        return {
            "apiVersion": API_VERSION,
            "kind": "SandboxSnapshotTask",
            "metadata": self.metadata(facts, build),
            "spec": {
                "snapshotRef": {"name": name_of(facts.snapshot)},
                "snapshotUID": uid_of(facts.snapshot),
                "snapshotMode": facts.mode,
                "targetSandboxRef": {"name": self.source_of(facts, build)},
                "targetNodeName": artifact.node_name,
                "providerName": artifact.provider_name,
                "snapshotKey": artifact.snapshot_key,
                "snapshotHash": artifact.snapshot_hash,
            },
        }

    def source_of(self, facts: Facts, build: Build) -> str:
        """The Sandbox that is captured: always one that was made for this build (SS-B13)."""
        return build.name

    def metadata(self, facts: Facts, build: Build) -> dict[str, Any]:
        """Metadata of a build's Sandbox and task."""
        return {
            "name": build.name,
            "namespace": facts.namespace,
            "labels": labels(facts.snapshot),
            "ownerReferences": controlled_by(facts.snapshot),
        }

    def surplus_sandboxes(self, manifest: Manifest, facts: Facts) -> list[Object]:
        """Sandboxes whose build has come to an end, and that are not being deleted yet."""
        names = {build.name for build in self.under_way(manifest)}
        return [s for s in facts.sandboxes.values() if name_of(s) not in names and not is_terminating(s)]

    def surplus_tasks(
        self, manifest: Manifest, facts: Facts, ttl: datetime.timedelta
    ) -> Iterator[tuple[Object, datetime.timedelta]]:
        """Tasks whose build has come to an end and whose Sandbox was deleted, and how long each stays still.

        A task outlives its Sandbox's deletion, so nobody sees a Sandbox without the task it is for (SS-B8).
        """
        names = {build.name for build in self.under_way(manifest)}
        for name, task in facts.tasks.items():
            if name not in names:
                observed = (task.get("status") or {}).get("observedAt")
                age = facts.now - from_time(observed) if observed else ttl
                yield task, max(ttl - age, datetime.timedelta())


def is_started(builds: list[Build], sandboxes: Mapping[str, Object], tasks: Mapping[str, Object]) -> bool:
    """Whether every build has its Sandbox and task."""
    return all(build.name in sandboxes and build.name in tasks for build in builds)
