"""Asking processes in Pods, and doing things to nodes that must be undone."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import pytest

from fixtures.cluster.engine import Engine, EngineFailed
from fixtures.errors import StartError, Undecided
from fixtures.kube.client import Api
from fixtures.kube.kinds import Kind
from fixtures.kube.nodes import names_for_pods
from fixtures.kube.snapshot import Snapshot
from fixtures.realnodes import Identity, Nodes, Processes, workload_spec
from fixtures.system.agent_sandbox.views import Pod

REPLY = {"bootId": "b", "startedAt": "t", "pid": 1, "hostname": "pod", "node": "n1", "nonce": "x"}
TAINT = {"key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule"}


class Server:
    """An API server that notes what it is asked, and has a control plane's node and some workers."""

    def __init__(self, *workers: str) -> None:
        self.asked: list[tuple[Any, ...]] = []
        self.nodes = [Snapshot({"metadata": {"name": "a-control-plane"}, "spec": {"taints": [TAINT]}})]
        self.nodes += [Snapshot({"metadata": {"name": name}}) for name in reversed(workers)]

    def list(self, kind: Kind) -> list[Snapshot]:
        return self.nodes

    def get(self, kind: Kind, name: str) -> Snapshot:
        assert (kind.name, name) == ("RuntimeClass", "gvisor")
        return Snapshot(
            {
                "scheduling": {
                    "nodeSelector": {"sandbox.gke.io/runtime": "gvisor"},
                    "tolerations": [{"key": "sandbox.gke.io/runtime", "operator": "Exists"}],
                }
            }
        )

    def patch(self, kind: Kind, name: str, patch: Mapping[str, Any]) -> None:
        self.asked.append((kind.name, name, patch["spec"]["unschedulable"]))

    def request(self, method: str, path: str, *, body: Any = None) -> dict[str, Any]:
        self.asked.append((method, path, body))
        return REPLY


def nodes(server: Server, engine: Engine | None = None) -> Nodes:
    """Its nodes."""
    return Nodes(cast(Api, server), engine, 0.1)


def test_nodes_that_take_no_pods_do_not_count() -> None:
    """The control plane's node MUST be left out, and one worker alone be said to be too few."""
    assert nodes(Server("w1", "w2")).names == ["w1", "w2"]
    assert nodes(Server("w1", "w2", "w3")).two() == ("w1", "w2")
    with pytest.raises(Undecided, match="only one node that takes Pods"):
        nodes(Server("w1")).two()


def test_the_nodes_of_a_runtime_class() -> None:
    """Those that it selects MUST be named, though a taint that it tolerates keeps others away; no others."""
    server = Server("w1")
    taints = [{"key": "sandbox.gke.io/runtime", "effect": "NoSchedule"}]
    cordon = {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}
    for name, kept_away in (("g1", taints), ("g2", [*taints, cordon])):
        metadata = {"name": name, "labels": {"sandbox.gke.io/runtime": "gvisor"}}
        server.nodes.append(Snapshot({"metadata": metadata, "spec": {"taints": kept_away}}))

    assert names_for_pods(cast(Api, server)) == ["w1"]
    assert names_for_pods(cast(Api, server), "gvisor") == ["g1"]


def test_a_cordon_is_lifted_whatever_happens() -> None:
    """Every node that was cordoned MUST take Pods again, also when the test fails."""
    server = Server("w1", "w2")

    with pytest.raises(AssertionError), nodes(server).cordoned("w1", "w2"):
        raise AssertionError

    assert server.asked == [
        ("Node", "w1", True),
        ("Node", "w2", True),
        ("Node", "w1", None),
        ("Node", "w2", None),
    ]


def test_an_eviction_means_that_very_pod() -> None:
    """A Pod of the same name that came in its place MUST NOT be evicted."""
    server = Server()

    nodes(server).evict(Pod({"metadata": {"name": "p", "namespace": "ns", "uid": "u1"}}))

    [(method, path, body)] = server.asked
    assert (method, path) == ("POST", "/api/v1/namespaces/ns/pods/p/eviction")
    assert body["deleteOptions"] == {"preconditions": {"uid": "u1"}}


def on_docker(folder: Path, monkeypatch: pytest.MonkeyPatch, ends: str) -> Nodes:
    """A node w1 in a docker that notes its calls in `calls`, and ends each as these lines of shell say."""
    docker = folder / "docker"
    docker.write_text(f"#!/bin/sh\necho $* >> {folder}/calls\n{ends}\n")
    docker.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return nodes(Server("w1"), Engine("docker", "", "20.10", "1"))


def test_a_node_comes_back_whatever_happens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A node that stands still MUST go on after the block, also when the test fails."""
    real = on_docker(tmp_path, monkeypatch, "exit 0")

    with pytest.raises(AssertionError), real.away("w1"):
        raise AssertionError

    assert (tmp_path / "calls").read_text().splitlines() == ["pause w1", "unpause w1"]
    with pytest.raises(StartError, match="node w2 was away and takes no Pods"), real.away("w2"):
        pass
    with pytest.raises(StartError, match="needs capability node-outage"), nodes(Server("w1")).away("w1"):
        pass


def test_a_node_that_cannot_be_paused_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pausing MUST be tried again, and where it fails for good its own error be told, not that of the end."""
    first_fails = f"[ $(wc -l < {tmp_path}/calls) -gt 1 ] && exit 0; echo unable to freeze >&2; exit 1"
    real = on_docker(tmp_path, monkeypatch, first_fails)

    with real.away("w1"):
        pass

    assert (tmp_path / "calls").read_text().splitlines() == ["pause w1", "pause w1", "unpause w1"]
    monkeypatch.setattr("fixtures.realnodes.PAUSED_WITHIN", 0.0)
    (tmp_path / "calls").unlink()
    with pytest.raises(EngineFailed, match="unable to freeze"), real.away("w1"):
        pass
    assert (tmp_path / "calls").read_text().splitlines() == ["pause w1"]


def test_processes_are_asked_by_http_and_by_command(tmp_path: Path) -> None:
    """Both ways MUST reach the Pod that is named; a command that fails MUST say why."""
    command = tmp_path / "kubectl"
    command.write_text(
        f"#!{sys.executable}\nimport sys\n"
        f"assert sys.argv[1:] == ['exec', 'pod', '--', '/workload', 'identity'], sys.argv\n"
        f"print({json.dumps(REPLY)!r})\n"
    )
    command.chmod(0o755)
    server = Server()
    processes = Processes(cast(Api, server), "ns", (str(command), "exec"))

    expected = Identity("b", "t", 1, "pod", "n1", "x")
    assert processes.identity("pod") == processes.identity_by_command("pod") == expected
    assert processes.tell("pod", "x") == expected
    where = "/api/v1/namespaces/ns/pods/pod:8080/proxy/"
    assert server.asked == [("GET", where, None), ("PUT", f"{where}nonce", "x")]
    with pytest.raises(StartError, match=r"(?s)a command in Pod other ended with 1: .*AssertionError"):
        processes.identity_by_command("other")


def test_the_workload_can_be_changed() -> None:
    """What a test gives MUST win over the usual container; the rest stays."""
    [container] = workload_spec(image="other", imagePullPolicy="Never")["containers"]

    assert (container["image"], container["imagePullPolicy"], container["name"]) == (
        "other",
        "Never",
        "agent",
    )
    assert container["readinessProbe"]["httpGet"] == {"path": "/", "port": 8080}
