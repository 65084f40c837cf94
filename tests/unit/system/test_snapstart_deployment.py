"""What the programs of a SnapStart deployment are told, and what the suite knows of them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import yaml

from fixtures.conformance.features import FEATURES as KNOWN
from fixtures.conformance.mutants import REGISTRY, load
from fixtures.errors import StartError
from fixtures.kube.connection import Connection, open_kubeconfig
from fixtures.kube.snapshot import Snapshot
from fixtures.processes import clean_environment, start_detached
from fixtures.system.nursery import Nursery
from fixtures.system.snapstart.accounts import ACCOUNTS, MANIFEST, STRANGER, Accounts
from fixtures.system.snapstart.deployment import (
    NAMESPACE_LABEL,
    STATE_MARK,
    USUAL,
    Deployment,
    Plan,
    remove_leftovers,
)
from fixtures.system.snapstart.drivers.kinds import KINDS
from fixtures.system.snapstart.sessions import Attempt, Witness
from fixtures.system.snapstart.system import FEATURES, OF_DRIVER, SnapstartSystem, require
from fixtures.testbed import SNAPSTART_DRIVERS
from reference.snapstart.controller.__main__ import parser as controller_parser
from reference.snapstart.front.__main__ import parser as front_parser
from reference.snapstart.node.__main__ import parser as node_parser

ROOT = Path(__file__).parents[3]
PARSERS = {"controller": controller_parser, "front": front_parser, "node": node_parser}
#: What each program needs beside what a plan says.
NEEDED = {
    "controller": ["--store", "store"],
    "front": ["--store", "store", "--listen", "127.0.0.1:1"],
    "node": ["--name", "n", "--addresses", "127.60.0.0/24", "--state", "state"],
}


def parsed(program: str, further: list[str]) -> Any:
    """What a program makes of its arguments."""
    common = ["--kubeconfig", "file", "--http", "127.0.0.1:2"]
    return PARSERS[program]().parse_args([*common, *NEEDED[program], *further])


@pytest.mark.parametrize("program", USUAL)
def test_usual_options_are_known(program: str) -> None:
    """Each program MUST understand what it is usually told."""
    parsed(program, Plan("ns").further(program, program))


@pytest.mark.parametrize("driver", SNAPSTART_DRIVERS)
def test_nodes_are_given_their_driver(driver: str) -> None:
    """What nodes are told, what classes name, what is declared and what benches try MUST be one driver."""
    plan = Plan("ns", driver=driver)

    assert parsed("node", plan.further("node", "node")).driver == driver
    assert plan.provider == KINDS[driver].name
    system = SnapstartSystem(ROOT, ROOT, driver)
    assert SnapstartSystem.from_dict(system.to_dict()) == system
    assert {f for f in system.features if f.startswith("Driver")} == OF_DRIVER[driver]
    assert system.identity["flags"] == [f"--driver={driver}"]


def test_a_driver_that_cannot_work_ends_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without criu MUST be told before any test starts, with where to read on."""
    monkeypatch.setenv("PATH", str(tmp_path))

    require("zygote", tmp_path)
    with pytest.raises(StartError, match=r"criu-unusable: .* docs/snapstart\.md says what it takes"):
        require("criu", tmp_path)


def test_each_mutant_is_known_to_its_program() -> None:
    """Every mutant of the registry MUST be one that its program, or the part of a node, has."""
    found = [m for m in load(ROOT / REGISTRY).values() if m.id.startswith("ss/") and m.kind == "ref"]
    assert found
    for mutant in found:
        wrong: dict[str, list[str]] = {}
        for part in mutant.spec:
            wrong.setdefault(part["program"], []).append(part["mutant"])
        for program in wrong:
            runs = "node" if program in ("runtime", "driver") else program
            told = parsed(runs, Plan("ns", mutants=wrong).further(runs, runs))
            given = {
                "driver": [told.driver_mutant] if runs == "node" else [],
                "runtime": told.runtime_mutant if runs == "node" else [],
            }.get(program, told.mutant)
            assert given == wrong[program], mutant.id


def test_options_of_one_node_are_its_own() -> None:
    """Options of `node-1` MUST NOT be those of another node."""
    plan = Plan("ns", options={"node-1": ["--label", "a=b"], "node": ["--cold-starts", "2"]})
    assert parsed("node", plan.further("node", "node-1")).label == [("a", "b")]
    other = parsed("node", plan.further("node", "node-0"))
    assert (other.label, other.cold_starts) == ([], 2)


def test_features_are_words_of_the_suite() -> None:
    """What the reference has MUST be features of profile SNAPSTART."""
    assert {KNOWN[name].profile for name in FEATURES} == {"SNAPSTART"}


def test_manifests_are_those_of_the_kinds() -> None:
    """Each kind that the suite installs MUST have its CRD."""
    names = {yaml.safe_load(p.read_text())["spec"]["names"]["plural"] for p in _crds()}
    assert names == {"sandboxsnapshots", "sandboxsnapshottasks", "snapshotclasses", "codeinterpreters"}


def _crds() -> list[Path]:
    return sorted((ROOT / "manifests" / "snapstart" / "crds").glob("*.yaml"))


def test_each_account_is_bound_to_what_it_may_do() -> None:
    """Every account of a program MUST be in the manifest, and be bound there."""
    objects = list(yaml.safe_load_all(MANIFEST.read_text()))
    made = {o["metadata"]["name"] for o in objects if o["kind"] == "ServiceAccount"}
    bound = {s["name"] for o in objects if o["kind"] == "ClusterRoleBinding" for s in o["subjects"]}
    assert made == bound == set(ACCOUNTS.values()) - {STRANGER}


def test_a_wrong_program_is_bound_by_no_account(tmp_path: Path) -> None:
    """A program that is wrong MUST be free to do wrong; the right ones beside it MUST have their accounts."""

    def own(**mutants: Sequence[str]) -> set[str]:
        folder = tmp_path / "-".join(("d", *mutants))
        connection = Connection(tmp_path / "kubeconfig", "test")
        nursery = cast(Nursery, SimpleNamespace(cluster=tmp_path))
        accounts = Accounts(tmp_path / "accounts")
        plan = Plan("ns", mutants=mutants)
        made = Deployment(plan, connection, folder, tmp_path / "s", accounts, nursery, 1.0)
        return {name for name, path in made.credentials.items() if path == accounts.of(name)}

    (tmp_path / "kubeconfig").write_text(open_kubeconfig("http://127.0.0.1:1", "test"))
    assert own() == set(ACCOUNTS)
    assert own(front=["user-key"], driver=["unproven"]) == set(ACCOUNTS) - {"front"}
    assert own(node=["late-key"]) == set(ACCOUNTS) - {"node", "agent"}


def test_an_attempt_survives_the_journal() -> None:
    """What is noted of a request MUST be read back as it was."""
    witness = Witness("boot", 1, "instance", 2, 3, "build", {"random": "ff", "numpy": None})
    for found in (
        Attempt(1.0, 2.0, "python", 200, {"name": "a"}, witness),
        Attempt(1.0, 2.0, "python", 0, "cut", None),
    ):
        assert Attempt.from_dict(json.loads(json.dumps(found.to_dict()))) == found


def test_what_a_node_started_is_found(tmp_path: Path) -> None:
    """Processes with the state folder of a node in their environment MUST be found, and no others."""
    found = Deployment.__new__(Deployment)
    found.folder = tmp_path
    found.nodes = {"a": None, "b": None}  # type: ignore[dict-item]
    records = [
        start_detached(
            ["/bin/sleep", "60"],
            tmp_path / "log",
            environment=clean_environment({STATE_MARK: str(tmp_path / "nodes" / name)}),
        )
        for name in ("a", "b", "c")
    ]
    try:
        assert {record.pid for record in found.processes()} == {records[0].pid, records[1].pid}
        assert {record.pid for record in found.processes("b")} == {records[1].pid}
    finally:
        for record in records:
            record.end(0)


class Cluster:
    """An API server with two process nodes of a run that was killed."""

    def __init__(self) -> None:
        self.deleted: list[tuple[str, str]] = []

    def list(self, kind: Any, namespace: str | None = None, selector: str = "") -> list[Snapshot]:
        """The nodes."""
        assert selector == NAMESPACE_LABEL
        return [Snapshot({"metadata": {"name": name}}) for name in ("n-0", "n-1")]

    def delete(self, kind: Any, name: str, namespace: str | None = None) -> None:
        """Note it."""
        self.deleted.append((str(kind), name))


def test_leftovers_of_a_killed_run_are_removed(tmp_path: Path) -> None:
    """Programs, what nodes had started, Nodes and folders of a killed run MUST go; others MUST stay."""
    folder, sockets = tmp_path / "snapstart", tmp_path / "sockets"
    sockets.mkdir()
    marks = {"program": {}, "session": {STATE_MARK: str(folder / "ns" / "nodes" / "n-0")}}
    marks["other"] = {STATE_MARK: str(tmp_path / "another" / "nodes" / "n-0")}
    records = {
        name: start_detached(["/bin/sleep", "60"], tmp_path / "log", environment=clean_environment(mark))
        for name, mark in marks.items()
    }
    (folder / "ns").mkdir(parents=True)
    records["program"].save(folder / "ns" / "controller.json")
    cluster: Any = Cluster()
    try:
        remove_leftovers(cluster, folder, sockets)
        assert [name for name, record in records.items() if record.alive] == ["other"]
    finally:
        records["other"].end(0)
    assert sorted(cluster.deleted) == [("Lease", "n-0"), ("Lease", "n-1"), ("Node", "n-0"), ("Node", "n-1")]
    assert not folder.exists()
    assert not sockets.exists()
