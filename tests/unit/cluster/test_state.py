"""The folders of embedded clusters: who owns them, which are reaped, and which are left alone."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fixtures.cluster import Cluster, ClusterState, reap
from fixtures.cluster.__main__ import main
from fixtures.cluster.state import all_states, clusters_root
from fixtures.errors import SuiteError
from fixtures.processes import ProcessRecord

Start = Callable[..., ProcessRecord]


def owned(name: str, owner: ProcessRecord, *, age: float = 0.0, **changes: Any) -> ClusterState:
    """The folder of a cluster that `owner` made `age` seconds ago."""
    state = ClusterState.named(name)
    state.path.mkdir(parents=True)
    record = {
        "run": "r",
        "pid": owner.pid,
        "started": owner.started,
        "since": time.time() - age,
        "kept": False,
    }
    (state.path / "owner.json").write_text(json.dumps(record | changes))
    return state


@pytest.fixture
def dead(start: Start) -> ProcessRecord:
    """A process that has ended."""
    record = start()
    record.end(0)
    return record


def test_state_lies_where_it_is_told(own_folders: Path) -> None:
    """$ASC_STATE_DIR MUST be used."""
    assert clusters_root() == own_folders
    assert ClusterState.named("dev").path == own_folders / "dev"
    assert ClusterState.named("dev").kubeconfig == own_folders / "dev" / "kubeconfig"
    assert list(all_states()) == []


def test_a_cluster_belongs_to_its_maker() -> None:
    """A cluster of this process MUST NOT be reaped, however old."""
    state = ClusterState.named("asc-1")
    state.own("run-1")

    owner = json.loads((state.path / "owner.json").read_text())
    assert (owner["run"], owner["pid"], owner["kept"]) == ("run-1", os.getpid(), False)
    assert not state.abandoned(0)
    assert not state.kept
    assert reap(0) == []
    assert state.path.is_dir()


def test_a_cluster_of_a_dead_run_is_reaped(dead: ProcessRecord, start: Start) -> None:
    """A cluster whose owner is gone and that is old MUST be destroyed with its processes."""
    state = owned("asc-1", dead, age=700)
    process = start(marked=state.path)

    assert reap(600) == ["asc-1"]

    assert not state.path.exists()
    assert not process.alive


@pytest.mark.parametrize("age", [0, 500])
def test_a_young_one_is_left_alone(dead: ProcessRecord, age: float) -> None:
    """Owner *and* age are needed: a run may have just ended and be about to clean up."""
    state = owned("asc-1", dead, age=age)

    assert reap(600) == []
    assert state.path.is_dir()


def test_one_with_a_living_owner_is_left_alone(start: Start) -> None:
    """A run that takes long MUST keep its cluster."""
    state = owned("asc-1", start(), age=10**6)

    assert reap(600) == []
    assert state.path.is_dir()


def test_an_owner_whose_id_was_reused_is_dead(start: Start) -> None:
    """Another process with the owner's id MUST NOT keep the cluster alive, nor be touched."""
    other = start()
    owned("asc-1", ProcessRecord(other.pid, other.started - 3600, ()), age=10**6)

    assert reap(600) == ["asc-1"]
    assert other.alive


def test_a_kept_one_is_left_alone(dead: ProcessRecord) -> None:
    """A cluster that was kept on purpose MUST NOT be reaped."""
    state = owned("asc-1", dead, age=10**6)
    assert state.abandoned(600)

    state.keep()

    assert state.kept
    assert not state.abandoned(600)
    assert reap(600) == []
    assert json.loads((state.path / "owner.json").read_text())["pid"] == dead.pid


@pytest.mark.parametrize(
    "content",
    [None, "", "not json", "{}", "[]", "7", '{"pid": 1}', '{"owner": "somebody else"}', '"text"', "\udcff"],
)
def test_what_somebody_else_put_there_is_left_alone(own_folders: Path, content: str | None) -> None:
    """A folder or file of another origin MUST be left alone, and MUST NOT stop the reaping."""
    foreign = own_folders / "foreign"
    foreign.mkdir(parents=True)
    (own_folders / "file").write_text("x")
    if content is not None:
        (foreign / "owner.json").write_bytes(content.encode(errors="surrogateescape"))

    assert reap(0) == []

    assert foreign.is_dir()
    assert not ClusterState(foreign).kept
    assert not ClusterState(foreign).ours


def test_one_folder_that_is_odd_does_not_save_the_others(own_folders: Path, dead: ProcessRecord) -> None:
    """Reaping MUST go on after a folder that it does not understand."""
    (own_folders / "aaa").mkdir(parents=True)
    (own_folders / "aaa" / "owner.json").write_text('{"kept": 0}')
    owned("asc-1", dead, age=700)
    owned("asc-2", dead, age=700)

    assert reap(600) == ["asc-1", "asc-2"]


def test_destroying_ends_the_processes_of_the_cluster(start: Start) -> None:
    """Exactly the processes of the cluster MUST end: no neighbour's, and none that only reads a log."""
    state, neighbour = ClusterState.named("dev"), ClusterState.named("dev2")
    state.own("r")
    neighbour.own("r")
    inside = [start(marked=state.path), start(marked=state.path)]
    outside = [start(marked=neighbour.path), start("import time; time.sleep(600)", f"{state.path}/etcd.log")]

    state.destroy()

    assert [record.alive for record in inside] == [False, False]
    assert [record.alive for record in outside] == [True, True]
    assert not state.path.exists()
    assert neighbour.path.is_dir()


def test_destroying_removes_the_short_folder() -> None:
    """The folder for sockets MUST go with its cluster, have a short path, and be no neighbour's."""
    state, neighbour = ClusterState.named("dev"), ClusterState.named("dev2")
    for found in (state, neighbour):
        found.own("r")
        (found.short / "0").mkdir(parents=True)

    state.destroy()

    assert not state.short.exists()
    assert neighbour.short.is_dir()
    assert len(state.short.name) == len("asc-01234567")
    neighbour.destroy()


def test_destroying_what_is_not_there() -> None:
    """A cluster that is already gone MUST NOT be an error."""
    ClusterState.named("none").destroy()


def test_the_cluster_record_is_read_back(own_folders: Path) -> None:
    """What a later run needs to find the cluster MUST survive the file, and a dictionary of builtins."""
    cluster = Cluster(
        name="dev",
        provider="kwok",
        environment_class="kwok",
        kubeconfig=Path("/x/kubeconfig"),
        context="kwok-dev",
        kubernetes_version="v1.36.3",
        uid="u",
        nodes=3,
        capabilities=frozenset({"gc", "scheduler"}),
    )
    state = ClusterState.named("dev")
    state.own("r")
    assert state.load_cluster() == {}

    state.save_cluster(cluster.to_dict())

    assert Cluster.from_dict(state.load_cluster()) == cluster
    assert cluster.to_dict()["capabilities"] == ["gc", "scheduler"]
    assert cluster.connection.kubectl == "kubectl --kubeconfig /x/kubeconfig --context kwok-dev"


@pytest.mark.parametrize("name", ["", ".", "..", "../state", "a/b", "/etc", "-x", "a" * 80])
def test_a_name_never_becomes_another_path(name: str) -> None:
    """A cluster's name comes from the command line and is deleted recursively: it MUST be a mere name."""
    with pytest.raises(SuiteError):
        ClusterState.named(name)


class TestCommand:
    """`python -m fixtures.cluster`."""

    def test_list(self, dead: ProcessRecord, start: Start, capsys: pytest.CaptureFixture[str]) -> None:
        """Every cluster MUST be listed with its state and its own processes."""
        owned("abandoned", dead)
        owned("kept", dead, kept=True)
        state = owned("used", start())
        owned("used2", start())
        for cluster in (state.path, ClusterState.named("used2").path, ClusterState.named("used2").path):
            start(marked=cluster)

        assert main(["list"]) == 0

        assert capsys.readouterr().out.splitlines() == [
            "abandoned  abandoned  0 processes",
            "kept  kept  0 processes",
            "used  in use  1 processes",
            "used2  in use  2 processes",
        ]

    def test_delete(self, dead: ProcessRecord, capsys: pytest.CaptureFixture[str]) -> None:
        """A cluster that is named MUST be destroyed, kept or not, and no other."""
        state, other = owned("kept", dead, kept=True), owned("other", dead)

        assert main(["delete", "kept"]) == 0

        assert capsys.readouterr().out == "kept removed\n"
        assert not state.path.exists()
        assert other.path.is_dir()

    @pytest.mark.parametrize("name", ["none", "..", ".", "../other", "foreign", ""])
    def test_delete_something_else(
        self, own_folders: Path, dead: ProcessRecord, name: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """What is no cluster of this suite MUST be refused and left alone."""
        owned("dev", dead)
        (own_folders / "foreign").mkdir()
        (own_folders.parent / "other").mkdir()

        assert main(["delete", name]) == 4

        assert capsys.readouterr().err
        assert sorted(p.name for p in own_folders.iterdir()) == ["dev", "foreign"]
        assert (own_folders.parent / "other").is_dir()

    def test_reap(self, dead: ProcessRecord, start: Start, capsys: pytest.CaptureFixture[str]) -> None:
        """Without an age only the owner decides."""
        owned("dead", dead)
        owned("used", start())

        assert main(["reap"]) == 0

        assert capsys.readouterr().out == "dead removed\n"
        assert [s.name for s in all_states()] == ["used"]
