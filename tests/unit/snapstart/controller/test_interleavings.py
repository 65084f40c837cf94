"""Any interleaving of users, nodes, agents, faults, kills and passes keeps what must never be broken.

What each key was built from is noted when its tasks are made, and asked for whenever a session that was
created now would get the key.
"""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from reference.objects import is_terminating, name_of, uid_of
from reference.snapstart.controller.controller import EXPECTED
from reference.snapstart.controller.mutants import mutated
from reference.snapstart.kinds import Node, SandboxSnapshot, SandboxTemplate
from tests.unit.fakeapi import NAMESPACE, Killed
from tests.unit.snapstart.controller.world import World

NODES = ("a", "b", "c")


class Snapshots(RuleBasedStateMachine):
    """One snapshot, its users and its troubles."""

    mutants: tuple[str, ...] = ()
    policy: dict[str, object] = {}

    def __init__(self) -> None:
        super().__init__()
        self.world = World(mutated(self.mutants), nodes=NODES[:2])
        self.world.create_snapshot(forkPolicy=self.policy)

    # -- users -------------------------------------------------------------

    @rule(image=st.sampled_from(["python:1", "python:2", "python:3"]))
    @precondition(lambda self: self.has_template)
    def edit(self, image: str) -> None:
        self.world.use_image(image)

    @rule()
    @precondition(lambda self: self.has_template)
    def delete_template(self) -> None:
        self.world.api.remove(SandboxTemplate, "python")

    @rule()
    @precondition(lambda self: not self.has_template)
    def create_template(self) -> None:
        self.world.create_template()

    @rule()
    @precondition(lambda self: self.has_snapshot)
    def delete_snapshot(self) -> None:
        self.world.api.remove(SandboxSnapshot, "snap")

    @rule()
    @precondition(lambda self: not self.has_snapshot)
    def create_snapshot(self) -> None:
        self.world.create_snapshot(forkPolicy=self.policy)

    # -- nodes and agents --------------------------------------------------

    @rule(node=st.sampled_from(NODES), ready=st.booleans())
    def readiness(self, node: str, ready: bool) -> None:
        if ("Node", node) in self.world.api.objects:
            self.world.set_ready(node, ready)
        elif ready:
            self.world.add_node(node)

    @rule(node=st.sampled_from(NODES))
    def remove_node(self, node: str) -> None:
        if ("Node", node) in self.world.api.objects:
            self.world.api.remove(Node, node)

    @rule(node=st.sampled_from(NODES))
    def lose(self, node: str) -> None:
        if ("Node", node) in self.world.api.objects:
            self.world.lose(node)

    @rule(node=st.sampled_from(NODES), fails=st.booleans())
    def answer(self, node: str, fails: bool) -> None:
        self.world.answer(node, fail=[node] if fails else [])

    # -- faults ------------------------------------------------------------

    @rule(down=st.booleans())
    def store(self, down: bool) -> None:
        self.world.store.down = down

    @rule()
    def lose_store(self) -> None:
        self.world.store.records.clear()

    # -- the controller and time -------------------------------------------

    @rule(allowed=st.none() | st.integers(0, 9))
    def reconcile(self, allowed: int | None) -> None:
        self.world.log.allowed = allowed
        with suppress(Killed, *EXPECTED):
            self.world.reconcile()
        self.world.log.allowed = None

    @rule(seconds=st.sampled_from([1, 5, 30, 60]))
    def time_passes(self, seconds: int) -> None:
        self.world.clock.advance(seconds)

    @rule()
    @precondition(lambda self: not self.world.store.down)
    def a_while(self) -> None:
        """Nothing disturbs controller and agents until both have nothing to do."""
        self.world.settle()

    # -- what must hold ----------------------------------------------------

    @property
    def has_template(self) -> bool:
        return ("SandboxTemplate", "python") in self.world.api.objects

    @property
    def has_snapshot(self) -> bool:
        return ("SandboxSnapshot", "snap") in self.world.api.objects

    @invariant()
    def sessions_are_right(self) -> None:
        """A key is only for sessions of what it was built from, and of a snapshot that says Ready."""
        if not self.has_template:
            return
        key = self.world.session().key
        if key is None:
            return
        assert self.world.phase() == "Ready"
        assert self.world.api.owners[key] == {self.world.uid()}
        image = self.world.template["spec"]["podTemplate"]["spec"]["containers"][0]["image"]
        assert self.world.api.origins[key] == {(uid_of(self.world.template), image)}, "a stale snapshot"

    @invariant()
    def counts_sum(self) -> None:
        if self.has_snapshot and self.world.status():
            target, *rest = self.world.counts()
            assert target == sum(rest)

    @invariant()
    def tasks_outlive_their_sandboxes(self) -> None:
        present = {name_of(task) for task in self.world.tasks}
        for sandbox in self.world.sandboxes:
            if name_of(sandbox) in self.world.api.tasks and not is_terminating(sandbox):
                assert name_of(sandbox) in present or not self.has_snapshot, "SS-B8"

    def teardown(self) -> None:
        try:
            self.converge()
        finally:
            self.world.close()

    def converge(self) -> None:
        """With the store up and time to retry, everything comes to where it should be."""
        self.world.store.down = False
        for seconds in (0, 5, 5, 30, 31, 5):
            self.world.clock.advance(seconds)
            self.world.settle()
        if not self.has_snapshot:
            assert self.world.store.records == {}
            assert self.world.sandboxes == []
            return
        assert not is_terminating(self.world.snapshot())
        assert (self.world.sandboxes, self.world.tasks) == ([], [])
        names = [n for n in NODES if ("Node", n) in self.world.api.objects and self.world.is_ready(n)]
        if not names or not self.has_template:
            assert self.world.phase() == "Failed"
            return
        assert self.world.phase() == "Ready"
        assert self.world.status()["readyNodeCount"] == len(names)
        key = self.world.session().key
        assert key == self.world.active_key
        for name in names:
            assert f"{NAMESPACE}/{key}" in self.world.held(name), "Ready, and not there"


class Aging(Snapshots):
    """The same with scheduled rebuilds."""

    policy = {"rebuildAfter": "20s"}

    def converge(self) -> None:
        """It never stops rebuilding; the next rebuild is enough."""
        self.world.store.down = False
        for seconds in (0, 20, 1, 2, 4):
            self.world.clock.advance(seconds)
            self.world.settle()
        if self.has_snapshot and self.has_template and self.world.phase() == "Ready":
            assert self.world.session().key == self.world.active_key


@pytest.mark.parametrize("machine", [Snapshots, Aging])
def test_any_interleaving(machine: type[Snapshots]) -> None:
    """No interleaving MUST break an invariant, and each MUST converge."""
    run_state_machine_as_test(
        machine, settings=settings(max_examples=60, stateful_step_count=30, deadline=None, derandomize=True)
    )


@pytest.mark.parametrize(
    "mutant",
    [
        "counts-lose-nodes",
        "loss-ignored",
        "no-retry",
        "node-loss-ignored",
        "record-last",
        "task-first",
        "wait-for-dead-nodes",
    ],
)
def test_interleavings_find(mutant: str) -> None:
    """The machine MUST be able to fail: it finds these."""
    machine = type("Mutated", (Snapshots,), {"mutants": (mutant,)})
    with pytest.raises(AssertionError):
        # Any example will do, it need not be a short one.
        run_state_machine_as_test(
            machine,
            settings=settings(
                max_examples=300,
                stateful_step_count=30,
                deadline=None,
                derandomize=True,
                phases=[Phase.generate],
                print_blob=False,
            ),
        )
