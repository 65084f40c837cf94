"""A small world for the snapshot controller: API server, store, nodes with agents, and a clock, in memory.

Agents do what they are told: `answer` lets them take up the tasks of their node. Whether a session would be
restored is asked of the session front's own lookup.
"""

from __future__ import annotations

import asyncio
import datetime
import itertools
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from reference.api import Event
from reference.events import Recorder
from reference.objects import Object, annotations_of, as_time, name_of, uid_of
from reference.snapstart.controller.artifacts import Limits
from reference.snapstart.controller.facts import owner_of
from reference.snapstart.controller.metrics import Metrics
from reference.snapstart.controller.parts import Parts
from reference.snapstart.controller.passes import Pass, Tools
from reference.snapstart.front.lookup import Intent, Lookup
from reference.snapstart.hashing import Hashing
from reference.snapstart.kinds import (
    EXTENSIONS_GROUP,
    Node,
    Sandbox,
    SandboxSnapshot,
    SandboxSnapshotTask,
    SandboxTemplate,
    SnapshotClass,
    inventory_annotation,
    inventory_entry,
    provider_label,
)
from reference.snapstart.records import Manifest, loaded, problems
from reference.snapstart.store.store import Conflict, Stored, StoreError
from tests.unit.fakeapi import NAMESPACE, Clock, FakeApi, Log

PROVIDER = "zygote.ref"
TTL = datetime.timedelta(seconds=5)


class MemoryStore:
    """A store that keeps its records in a dictionary; while `down` it fails, while `full` its writes do."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._version = 0
        self.records: dict[str, Stored] = {}
        self.down = self.full = False

    async def get(self, key: str) -> Stored | None:
        self._check()
        return self.records.get(key)

    async def keys(self, prefix: str) -> list[str]:
        self._check()
        return sorted(key for key in self.records if key.startswith(prefix))

    async def put(self, key: str, text: str, version: int | None) -> int:
        self._check()
        found = self.records.get(key)
        if (found.version if found else None) != version:
            raise Conflict(key)
        if self.full:
            raise StoreError("database or disk is full")
        self._log("put", key)
        self._version += 1
        self.records[key] = Stored(text, self._version)
        return self._version

    async def delete(self, key: str, version: int | None) -> None:
        self._check()
        if key in self.records:
            self._log("forget", key)
            del self.records[key]

    async def close(self) -> None:
        return None

    def _check(self) -> None:
        if self.down:
            raise StoreError("down")


class NotingApi(FakeApi):
    """An API server that notes what builds were made from."""

    def __init__(self, clock: Clock, log: Log) -> None:
        super().__init__(clock, log)
        #: By key, UID of the template and image of the build Sandboxes.
        self.origins: dict[str, set[tuple[str, str]]] = {}
        #: By key, the UIDs of the snapshots that it was built for.
        self.owners: dict[str, set[str]] = {}
        #: The names of all tasks that there ever were.
        self.tasks: set[str] = set()

    async def create(self, kind: Any, body: Mapping[str, Any]) -> Object:
        made = await super().create(kind, body)
        if kind is SandboxSnapshotTask:
            self.tasks.add(name_of(made))
            spec = made["spec"]
            sandbox = self.objects["Sandbox", spec["targetSandboxRef"]["name"]]
            template = self.objects["SandboxTemplate", "python"]
            image = sandbox["spec"]["podTemplate"]["spec"]["containers"][0]["image"]
            self.origins.setdefault(spec["snapshotKey"], set()).add((uid_of(template), image))
            self.owners.setdefault(spec["snapshotKey"], set()).add(spec["snapshotUID"])
        return made


class World:
    """One template `python`, one class `fast`, and snapshots of it."""

    def __init__(self, parts: Parts | None = None, nodes: Sequence[str] = ("a", "b")) -> None:
        self.clock = Clock()
        self.log = Log()
        self.api = NotingApi(self.clock, self.log)
        self.store = MemoryStore(self.log)
        self.parts = parts or Parts()
        self.metrics = Metrics()
        self._loop = asyncio.new_event_loop()
        nonces = itertools.count(1)
        self.tools = Tools(
            api=self.api,  # type: ignore[arg-type]
            store=self.store,
            events=Recorder(
                self.api,  # type: ignore[arg-type]
                self.clock,
                datetime.timedelta(seconds=60),
                "snapshots",
            ),
            metrics=self.metrics,
            limits=Limits(),
            task_ttl=TTL,
            now=self.clock,
            nonce=lambda: f"{next(nonces):08x}",
        )
        for node in nodes:
            self.add_node(node)
        self.create(
            SnapshotClass,
            {
                "metadata": {"name": "fast"},
                "spec": {"providerName": PROVIDER, "supportedSnapshotModes": ["Fork"]},
            },
        )
        self.create_template()

    def close(self) -> None:
        """Give the event loop back."""
        self._loop.close()

    def run(self, work: Any) -> Any:
        """The result of a coroutine."""
        return self._loop.run_until_complete(work)

    # -- users -------------------------------------------------------------

    def create(self, kind: Any, body: Mapping[str, Any]) -> None:
        """Create an object as a user does."""
        allowed, self.log.allowed = self.log.allowed, None
        self.run(self.api.create(kind, body))
        self.log.entries.pop()
        self.log.allowed = allowed

    def create_template(self, image: str = "python:3.11") -> None:
        """Create the template."""
        pod = {"containers": [{"name": "main", "image": image, "env": [{"name": "A", "value": "1"}]}]}
        spec = {"podTemplate": {"metadata": {"labels": {"app": "python"}}, "spec": pod}}
        self.create(SandboxTemplate, {"metadata": {"name": "python"}, "spec": spec})

    def edit_template(self, **pod: Any) -> None:
        """Merge fields into the template's Pod spec."""
        self.api.edit(SandboxTemplate, "python", {"spec": {"podTemplate": {"spec": pod}}})

    def use_image(self, image: str) -> None:
        """Give the template another image."""
        self.edit_template(containers=[{"name": "main", "image": image}])

    def create_snapshot(self, name: str = "snap", **spec: Any) -> None:
        """Create a snapshot of the template."""
        source = {"apiGroup": EXTENSIONS_GROUP, "kind": "SandboxTemplate", "name": "python"}
        usual = {"snapshotMode": "Fork", "snapshotClassName": "fast", "sourceRef": source}
        self.create(SandboxSnapshot, {"metadata": {"name": name}, "spec": {**usual, **spec}})

    def session(self) -> Intent:
        """How a session that is created now would start."""
        lookup = Lookup(
            lambda _namespace: self.api.all(SandboxSnapshot),
            lambda found: self.api.get(SandboxSnapshot, NAMESPACE, name_of(found)),
            lambda name: self.api.objects.get(("SnapshotClass", name)),
            self.store,
            Hashing(),
        )
        candidates = self.run(lookup.candidates(NAMESPACE, "python"))
        intent: Intent = self.run(lookup.intent(self.template, candidates))
        return intent

    # -- nodes -------------------------------------------------------------

    def add_node(self, name: str, **fields: Any) -> None:
        """A Ready node with the provider and an agent that holds nothing."""
        metadata = {
            "name": name,
            "labels": {provider_label(PROVIDER): "true", "name": name},
            "annotations": {inventory_annotation(PROVIDER): "{}"},
        }
        status = {"conditions": [{"type": "Ready", "status": "True"}]}
        self.create(Node, {"metadata": metadata, "spec": {}, "status": status, **fields})

    def set_ready(self, node: str, ready: bool) -> None:
        """The node's Ready condition."""
        conditions = [{"type": "Ready", "status": "True" if ready else "False"}]
        self.api.edit(Node, node, {"status": {"conditions": conditions}})

    def held(self, node: str) -> dict[str, str]:
        """What a node says it holds."""
        found: dict[str, str] = json.loads(
            annotations_of(self.api.objects["Node", node])[inventory_annotation(PROVIDER)]
        )
        return found

    def hold(self, node: str, held: Mapping[str, str]) -> None:
        """Let a node say that it holds these artifacts."""
        patch = {inventory_annotation(PROVIDER): json.dumps(held)}
        self.api.edit(Node, node, {"metadata": {"annotations": patch}})

    def lose(self, node: str) -> None:
        """Delete all artifacts of a node behind everybody's back."""
        self.hold(node, {})

    # -- agents ------------------------------------------------------------

    def answer(self, *nodes: str, fail: Iterable[str] = (), message: str = "no safe point") -> bool:
        """The agents of these nodes (none given: all Ready ones) take up their tasks; whether one did."""
        answered = False
        for task in self.api.all(SandboxSnapshotTask):
            node = task["spec"]["targetNodeName"]
            if (nodes and node not in nodes) or ("Node", node) not in self.api.objects:
                continue
            if not nodes and not self.is_ready(node):
                continue
            if (task.get("status") or {}).get("phase") or ("Sandbox", name_of(task)) not in self.api.objects:
                continue
            answered = True
            if node in fail:
                self.finish(task, "Failed", message)
            else:
                spec = task["spec"]
                entry = inventory_entry(NAMESPACE, spec["snapshotKey"])
                self.hold(node, {**self.held(node), entry: spec["snapshotHash"]})
                self.finish(task, "Ready", "")
        return answered

    def finish(self, task: Object, phase: str, message: str) -> None:
        """An agent writes the status of a task."""
        status = {"phase": phase, "message": message, "observedAt": as_time(self.clock())}
        self.api.edit(SandboxSnapshotTask, name_of(task), {"status": status})

    def is_ready(self, node: str) -> bool:
        """Whether a node is Ready."""
        conditions = self.api.objects["Node", node]["status"]["conditions"]
        return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)

    # -- the controller ----------------------------------------------------

    def reconcile(self, name: str = "snap") -> float | None:
        """One pass; Killed if it was."""
        snapshot = self.run(self.api.get(SandboxSnapshot, NAMESPACE, name))
        if snapshot is None:
            return None
        again: float | None = self.run(self.parts.flow.run(Pass(snapshot, self.parts, self.tools)))
        return again

    def settle(self, name: str = "snap", passes: int = 30, fail: Iterable[str] = ()) -> None:
        """Passes and agents in turns until a pass has changed nothing; time does not pass."""
        for _ in range(passes):
            before = len(self.log.entries)
            self.reconcile(name)
            if not self.answer(fail=fail) and len(self.log.entries) == before:
                return
        raise AssertionError(f"not settled after {passes} passes: {self.log.entries[-20:]}")

    def after(self, seconds: float, name: str = "snap", fail: Iterable[str] = ()) -> None:
        """Let time pass, then settle."""
        self.clock.advance(seconds)
        self.settle(name, fail=fail)

    # -- what is there -----------------------------------------------------

    @property
    def template(self) -> dict[str, Any]:
        """The template."""
        return self.api.objects["SandboxTemplate", "python"]

    def snapshot(self, name: str = "snap") -> dict[str, Any]:
        """A snapshot."""
        return self.api.objects["SandboxSnapshot", name]

    def status(self, name: str = "snap") -> dict[str, Any]:
        """Its status."""
        found: dict[str, Any] = self.snapshot(name).get("status", {})
        return found

    def phase(self, name: str = "snap") -> str | None:
        """Its phase."""
        return self.status(name).get("phase")

    def counts(self, name: str = "snap") -> tuple[int, ...]:
        """Target, creating, ready, failed and unavailable nodes of its status."""
        kinds = ("target", "creating", "ready", "failed", "unavailable")
        return tuple(self.status(name)[f"{kind}NodeCount"] for kind in kinds)

    def manifest(self, name: str = "snap") -> Manifest:
        """Its record, which has to be right."""
        found = loaded(self.store.records[owner_of(self.snapshot(name)).store_key].text)
        assert list(problems(found)) == []
        return found

    @property
    def active_key(self) -> str:
        """The active key in the record of the snapshot."""
        active = self.manifest().active
        assert active is not None
        return active.snapshot_key

    @property
    def tasks(self) -> list[dict[str, Any]]:
        """All tasks, by node."""
        return sorted(self.api.all(SandboxSnapshotTask), key=lambda t: str(t["spec"]["targetNodeName"]))

    @property
    def sandboxes(self) -> list[dict[str, Any]]:
        """All Sandboxes."""
        return self.api.all(Sandbox)

    @property
    def task_nodes(self) -> list[str]:
        """The nodes that tasks are for."""
        return [task["spec"]["targetNodeName"] for task in self.tasks]

    def events(self) -> list[str]:
        """The reasons of all Events, without their common prefix, in the order of their making."""
        found = sorted(self.api.all(Event), key=lambda e: int(e["metadata"]["resourceVersion"]))
        return [e["reason"].removeprefix("SandboxSnapshot") for e in found]

    def metric(self, name: str, **labels: str) -> float:
        """A sample of /metrics, 0 if there is none."""
        return self.metrics.registry.get_sample_value(name, labels) or 0

    def uid(self, name: str = "snap") -> str:
        """The UID of a snapshot."""
        return uid_of(self.snapshot(name))
