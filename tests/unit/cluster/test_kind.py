"""Clusters of real nodes: what is asked of kind and the engine, what is refused, and that nothing is left."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml

from fixtures.cluster import Cluster, ClusterState, kind, reap
from fixtures.cluster.engine import Engine, EngineFailed
from fixtures.cluster.images import Mirrors
from fixtures.cluster.kind import KindProvider
from fixtures.errors import StartError, UsageError
from fixtures.limits import Limits
from fixtures.processes import free_port
from fixtures.testbed import Settings
from tests.unit.cluster.conftest import eventually, kubeconfig

Make = Callable[..., Settings]

#: A docker: containers, networks and images are lines of files beside it.
DOCKER = f"""#!{sys.executable} -SE
import json, os, pathlib, sys
here = pathlib.Path(__file__).parent
arguments = sys.argv[1:]
def lines(name):
    path = here / name
    return path.read_text().split() if path.exists() else []
def keep(name, left):
    (here / name).write_text("\\n".join(left))
with open(here / "docker-calls", "a") as calls:
    print(*arguments, os.environ.get("DOCKER_HOST"), file=calls)
if (here / "down").exists():
    sys.exit("Cannot connect to the Docker daemon")
match arguments:
    case ["info", *_]:
        print((here / "info").read_text())
    case ["ps", "--all", "--filter", label, *_]:
        cluster = label.rpartition("=")[2]
        print(*(c for c in lines("containers") if c.startswith(cluster + "-")), sep="\\n")
    case ["rm", "--force", "--volumes", *names]:
        keep("containers", [c for c in lines("containers") if c not in names])
    case ["network", "ls", *_]:
        print(*lines("networks"), sep="\\n")
    case ["network", "rm", name]:
        keep("networks", [n for n in lines("networks") if n != name])
    case ["exec", _, *command]:
        os.execvp(command[0], command)
    case ["volume", "ls", *_]:
        print((here / "volumes").read_text())
    case ["volume", "rm", *names]:
        volumes = json.loads((here / "volumes").read_text())
        (here / "volumes").write_text(json.dumps([v for v in volumes if v["Name"] not in names]))
    case ["image", "inspect", *_, name]:
        if name not in lines("images"):
            sys.exit("No such image")
        print("sha256:0123456789abcdef")
    case ["save", "--output", path, *names]:
        pathlib.Path(path).write_text(" ".join(names))
    case ["rmi", name]:
        keep("images", [n for n in lines("images") if n != name])
    case ["pull", *_, name]:
        if name not in lines("registry"):
            sys.exit("pull access denied")
        keep("images", [*lines("images"), name])
    case ["tag", _, name]:
        keep("images", [*lines("images"), name])
    case _:
        pass
"""

#: A kind: "makes" nodes, then does as `behaviour` says.
KIND = f"""#!{sys.executable} -SE
import os, pathlib, shutil, sys, time
here = pathlib.Path(__file__).parent
flags = dict(a[2:].split("=", 1) for a in sys.argv[1:] if a.startswith("--"))
with open(here / "kind-calls", "a") as calls:
    network = os.environ["KIND_EXPERIMENTAL_DOCKER_NETWORK"]
    print(*sys.argv[1:3], flags["name"], network, os.environ.get("KUBECONFIG"), file=calls)
if sys.argv[1] == "load":
    sys.exit()
with open(here / "containers", "a") as containers, open(here / "networks", "a") as networks:
    print("", flags["name"] + "-control-plane", flags["name"] + "-worker", sep="\\n", file=containers)
    print("", network, sep="\\n", file=networks)
behaviour = (here / "behaviour").read_text()
if behaviour == "fails":
    sys.exit("Creating cluster\\nERROR: failed to create cluster: node did not start\\nStack Trace:")
if behaviour == "hangs":
    time.sleep(600)
shutil.copy(here / "given-kubeconfig", flags["kubeconfig"])
"""


class Machine:
    """A machine with a docker and a kind that are on a script."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.folder = folder
        for name, text in (("docker", DOCKER), ("podman", DOCKER), ("kind", KIND)):
            self.program(name, text)
        self.daemon("20.10.24")
        self.write("images", "local/node:1")
        self.write("behaviour", "works")

    def program(self, name: str, text: str) -> None:
        """Let there be a program of that name."""
        (self.folder / name).write_text(text)
        (self.folder / name).chmod(0o755)

    def daemon(self, version: str) -> None:
        """Let the daemon be of that version."""
        self.write("info", json.dumps({"ServerVersion": version, "CgroupVersion": "1"}))

    def write(self, name: str, text: str) -> None:
        """Set one of the files that the scripts go by."""
        (self.folder / name).write_text(text)

    def lines(self, name: str) -> list[str]:
        """What such a file says."""
        path = self.folder / name
        return [line for line in path.read_text().splitlines() if line] if path.exists() else []

    @property
    def left(self) -> tuple[list[str], list[str]]:
        """Containers and networks."""
        return self.lines("containers"), self.lines("networks")


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Machine]:
    """A machine where only the scripted docker and kind are found; its images need no building."""
    made = Machine(tmp_path / "bin")
    monkeypatch.setenv("PATH", f"{made.folder}{os.pathsep}{os.environ['PATH']}")
    for name in ("DOCKER_HOST", "KIND_EXPERIMENTAL_PROVIDER"):
        monkeypatch.delenv(name, raising=False)

    def archives(path: Path, *_: object) -> list[Path]:
        (path / "images.tar").touch()
        return [path / "images.tar"]

    monkeypatch.setattr(kind.images, "write", archives)
    monkeypatch.setattr(kind, "PATIENCE", 0.0)
    yield made
    for state in (ClusterState.named(name) for name in ("asc-unit", "dev")):
        state.destroy()


@pytest.fixture
def real(settings: Make, machine: Machine) -> Make:
    """Settings of a run on such a machine, with one worker."""

    def make(**changes: object) -> Settings:
        limits = Limits.parse([f"cluster_create_kind={changes.pop('seconds', 60)}"])
        given = {"cluster": "kind", "nodes": 1, "node_image": "local/node:1", "limits": limits}
        return settings(tool_paths={"kind": machine.folder / "kind"}, **(given | changes))

    return make


def test_a_start_that_works(
    real: Make, machine: Machine, api_server: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The cluster MUST have its own kubeconfig and network, be found again, and be gone when deleted."""
    monkeypatch.setenv("KUBECONFIG", "/ambient")
    kubeconfig(machine.folder / "given-kubeconfig", api_server, "kind-asc-unit")

    cluster = KindProvider().create(real(node_labels={"zone": "a"}))

    state = ClusterState.named("asc-unit")
    assert (cluster.name, cluster.context, cluster.nodes) == ("asc-unit", "kind-asc-unit", 1)
    assert cluster.kubeconfig == state.kubeconfig
    assert "real-kubelet" in cluster.capabilities
    assert not cluster.capabilities & {"pod-status-control", "multi-node"}
    assert machine.lines("kind-calls") == [
        "create cluster asc-unit asc-unit None",
        "load image-archive asc-unit asc-unit None",
    ]
    configuration = yaml.safe_load((state.path / "kind.yaml").read_text())
    assert configuration["nodes"] == [{"role": "control-plane"}, {"role": "worker", "labels": {"zone": "a"}}]
    assert configuration["networking"]["apiServerAddress"] == "127.0.0.1"
    assert "failCgroupV1: false" in configuration["kubeadmConfigPatches"][0]
    assert Cluster.from_dict(state.load_cluster()) == cluster
    assert KindProvider().find("asc-unit", real()) == cluster

    KindProvider().delete(cluster)

    assert machine.left == ([], [])
    assert not state.path.exists()
    assert KindProvider().find("asc-unit", real()) is None


def test_a_part_of_the_control_plane_that_is_away(real: Make, machine: Machine, api_server: int) -> None:
    """kube-controller-manager need not be back yet when it is to be ended; an API server has to be there."""
    kubeconfig(machine.folder / "given-kubeconfig", api_server, "kind-asc-unit")
    cluster = KindProvider().create(real())
    for code in (1, 2):
        machine.program("pkill", f"#!/bin/sh\nexit {code}\n")
        if code == 1:
            KindProvider().kinds_added(cluster)
        else:
            with pytest.raises(StartError, match="kube-controller-manager on .* cannot be ended"):
                KindProvider().kinds_added(cluster)
        with pytest.raises(StartError, match="kube-apiserver on .* cannot be ended"):
            KindProvider().restart_api_server(cluster, 1.0)


def test_a_crash_of_the_api_server_is_over_when_the_control_plane_leads_again(
    real: Make, machine: Machine, api_server: int, lease: dict[str, str]
) -> None:
    """A Lease that nobody holds, or that was last renewed before the crash, MUST NOT do."""
    kubeconfig(machine.folder / "given-kubeconfig", api_server, "kind-asc-unit")
    cluster = KindProvider().create(real())
    machine.program("pkill", "#!/bin/sh\n")
    before, after = (
        (datetime.now(UTC) + timedelta(seconds=n)).isoformat(timespec="microseconds") for n in (-1, 60)
    )
    for spec in ({}, {"holderIdentity": "a", "renewTime": before}, {"renewTime": after}):
        lease.clear()
        lease.update(spec)
        with pytest.raises(StartError, match="after 0 s no kube-scheduler leads"):
            KindProvider().restart_api_server(cluster, 0.1)
    lease["holderIdentity"] = "b"
    KindProvider().restart_api_server(cluster, 0.1)


def test_a_kept_cluster_gets_the_images_of_today(
    real: Make, machine: Machine, api_server: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cluster that was given other images MUST be given those of now, once."""
    kubeconfig(machine.folder / "given-kubeconfig", api_server, "kind-asc-unit")
    KindProvider().create(real())
    assert KindProvider().find("asc-unit", real()) is not None
    assert len(machine.lines("kind-calls")) == 2

    monkeypatch.setattr(kind.images, "wanted", lambda _: "changed")
    for _ in range(2):
        assert KindProvider().find("asc-unit", real()) is not None

    assert machine.lines("kind-calls")[2:] == ["load image-archive asc-unit asc-unit None"]


@pytest.mark.parametrize("name", ["local/node:1", "registry.example/c:2"])
def test_an_image_of_the_users(
    real: Make, machine: Machine, api_server: int, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """An image that the engine has, or can pull, MUST be loaded under a name after its content."""
    kubeconfig(machine.folder / "given-kubeconfig", api_server, "kind-asc-unit")
    cluster = KindProvider().create(real())
    machine.write("registry", "registry.example/c:2")
    before = set(machine.lines("images"))

    own = KindProvider().node_image_of(cluster, name, real())

    assert own == "conformance.invalid/loaded:0123456789ab"
    saved = ClusterState.named("asc-unit").path / "loaded.tar"
    assert f"save --output {saved} {own}" in " ".join(machine.lines("docker-calls"))
    assert machine.lines("kind-calls")[-1] == "load image-archive asc-unit asc-unit None"
    # The engine is left without the name, and with what it pulled.
    assert set(machine.lines("images")) == before | {name}
    assert not saved.exists()


def test_an_image_that_cannot_be_had(real: Make, machine: Machine, api_server: int) -> None:
    """The error MUST name the image, the engine's reason and the way out."""
    kubeconfig(machine.folder / "given-kubeconfig", api_server, "kind-asc-unit")
    cluster = KindProvider().create(real())

    with pytest.raises(StartError, match="the image no/such:1 cannot be had: pull access denied. Build it"):
        KindProvider().node_image_of(cluster, "no/such:1", real())


def test_a_start_that_fails(real: Make, machine: Machine) -> None:
    """kind's own reason MUST be quoted, and neither container nor network nor folder be left."""
    machine.write("behaviour", "fails")

    with pytest.raises(StartError) as caught:
        KindProvider().create(real())

    assert "kind cluster asc-unit failed (exit code 1)." in str(caught.value)
    assert "failed to create cluster: node did not start" in str(caught.value)
    assert machine.left == ([], [])
    assert not ClusterState.named("asc-unit").path.exists()


@pytest.mark.parametrize("seconds", [1])
def test_a_start_that_hangs(real: Make, machine: Machine, seconds: int) -> None:
    """At the limit kind MUST be ended, and what it made be removed."""
    machine.write("behaviour", "hangs")

    with pytest.raises(StartError, match="kind cluster asc-unit was not done after 1 s"):
        KindProvider().create(real(seconds=seconds))

    assert machine.left == ([], [])
    assert ClusterState.named("asc-unit").processes() == []


def test_an_interruption(real: Make, machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C while nodes are being made MUST leave nothing of them."""
    machine.write("behaviour", "hangs")
    wait = subprocess.Popen.wait

    def interrupted(child: subprocess.Popen[bytes], timeout: float | None = None) -> int:
        if timeout is None or Path(child.args[0]).name != "kind":  # type: ignore[index, arg-type]
            return wait(child, timeout)
        eventually(lambda: len(machine.lines("networks")) == 1)
        raise KeyboardInterrupt

    monkeypatch.setattr(subprocess.Popen, "wait", interrupted)
    with pytest.raises(KeyboardInterrupt):
        KindProvider().create(real())
    monkeypatch.undo()

    assert machine.left == ([], [])
    assert not ClusterState.named("asc-unit").path.exists()


def test_nodes_that_do_not_become_ready(real: Make, machine: Machine, api_server: int) -> None:
    """A worker that is missing MUST be counted in the error, and the others be removed."""
    kubeconfig(machine.folder / "given-kubeconfig", api_server, "kind-asc-unit")

    with pytest.raises(StartError, match="of 3 nodes of kind-asc-unit only 2 are Ready after 1 s"):
        KindProvider().create(real(nodes=2, seconds=1))

    assert machine.left == ([], [])


def test_a_name_that_is_taken(real: Make, machine: Machine) -> None:
    """Somebody else's cluster of that name MUST be refused by name, and not be touched."""
    machine.write("containers", "dev-control-plane\nother-control-plane")

    with pytest.raises(UsageError, match=r"already has a kind cluster dev \(dev-control-plane\)"):
        KindProvider().create(real(reuse_cluster="dev"))

    assert machine.lines("containers") == ["dev-control-plane", "other-control-plane"]
    assert machine.lines("kind-calls") == []


def killed_run(machine: Machine) -> ClusterState:
    """What a run leaves that was killed while kind made its nodes."""
    state = ClusterState.named("dev")
    state.own("r")
    owner = json.loads((state.path / "owner.json").read_text())
    (state.path / "owner.json").write_text(json.dumps(owner | {"started": 1.0}))
    state.save_engine(Engine("docker", "unix:///its.sock", "20.10", "1"))
    machine.write("containers", "dev-control-plane\nother-control-plane")
    machine.write("networks", "bridge\ndev")
    return state


def test_what_a_killed_run_left_is_reaped(machine: Machine) -> None:
    """Exactly its containers and its network MUST go, asked of the engine that it used."""
    state = killed_run(machine)

    assert reap(0) == ["dev"]

    assert machine.left == (["other-control-plane"], ["bridge"])
    assert not state.path.exists()
    assert all(call.endswith("unix:///its.sock") for call in machine.lines("docker-calls"))


def test_volumes_of_podman_go_with_their_nodes(machine: Machine) -> None:
    """podman keeps the volumes that kind made for nodes: the cluster's MUST go, and nobody else's."""
    labels = {
        "one": {"dev-control-plane": "true"},
        "two": {"dev-worker12": "true"},
        "of dev-worker": {"dev-worker-control-plane": "true"},
        "the user's": {"dev": "true"},
        "unlabelled": None,
    }
    machine.write("volumes", json.dumps([{"Name": name, "Labels": found} for name, found in labels.items()]))
    machine.write("containers", "dev-control-plane dev-worker12")

    Engine("podman", "", "4.3.1", "1").remove("dev")

    left = json.loads((machine.folder / "volumes").read_text())
    assert [volume["Name"] for volume in left] == ["of dev-worker", "the user's", "unlabelled"]


def test_an_engine_that_is_down_is_asked_again(machine: Machine) -> None:
    """While the engine does not answer, the record MUST stay, so that a later reaping removes the rest."""
    state = killed_run(machine)
    machine.write("down", "")
    reap(0)
    assert state.ours

    (machine.folder / "down").unlink()
    reap(0)

    assert machine.left == (["other-control-plane"], ["bridge"])
    assert not state.path.exists()


class TestEngine:
    """Finding the container engine."""

    def test_docker_is_missing(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        """The error MUST name the package to install."""
        monkeypatch.setenv("PATH", str(tmp_path))

        with pytest.raises(StartError, match=r"there is no docker on PATH.*`apt-get install docker.io`"):
            Engine.find()

    def test_no_daemon(self, machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
        """The error MUST say where it was looked for, what docker said, and how to start one."""
        monkeypatch.setenv("DOCKER_HOST", "unix:///none.sock")
        machine.write("down", "")

        with pytest.raises(StartError) as caught:
            Engine.find()

        assert "no daemon answers at unix:///none.sock: Cannot connect to the Docker daemon" in str(
            caught.value
        )
        assert "python -m fixtures.cluster engine start" in str(caught.value)

    def test_an_old_daemon(self, machine: Machine) -> None:
        """A daemon that cannot say which cgroups the host has MUST be refused."""
        machine.daemon("19.03.5")

        with pytest.raises(StartError, match=r"the Docker daemon is 19\.03\.5; kind's nodes need 20\.10 or"):
            Engine.find()

    def test_an_unknown_one(self, machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
        """A $KIND_EXPERIMENTAL_PROVIDER that kind does not know MUST be refused."""
        monkeypatch.setenv("KIND_EXPERIMENTAL_PROVIDER", "rkt")

        with pytest.raises(StartError, match="is 'rkt'; kind knows docker, podman, nerdctl"):
            Engine.find()

    def test_a_command_that_fails(self, machine: Machine) -> None:
        """The engine's last words MUST be the reason."""
        with pytest.raises(EngineFailed, match="^pull access denied$"):
            Engine.find().run("pull", "none")


class TestNodeImage:
    """--node-image."""

    def test_one_that_cannot_be_had(self, real: Make, machine: Machine) -> None:
        """The reason MUST be told before anything is made."""
        with pytest.raises(StartError, match="node image no/such:1 cannot be had: pull access denied"):
            KindProvider().create(real(node_image="no/such:1"))

        assert machine.lines("kind-calls") == []

    @pytest.mark.parametrize(
        ("registry", "expected"), [("kindest/node:v1.35.1", "kindest/node:v1.35.1"), ("", "made-here")]
    )
    def test_unasked(
        self, real: Make, machine: Machine, monkeypatch: pytest.MonkeyPatch, registry: str, expected: str
    ) -> None:
        """kind's own MUST be taken where a registry has it, else one be made, of the version asked for."""
        machine.write("registry", registry)
        monkeypatch.setattr(kind.nodeimage, "build", lambda *_: "made-here")
        started: list[str] = []
        monkeypatch.setattr(KindProvider, "_start", lambda *given: started.append(given[4]) or stop())

        with pytest.raises(StartError, match="far enough"):
            KindProvider().create(real(node_image=None, kubernetes_version="v1.35.1"))

        assert started == [expected]


def stop() -> None:
    """End a start on purpose."""
    raise StartError("far enough")


class TestMirrors:
    """--registry-prefix and --images-file."""

    def test_the_file_wins(self, tmp_path: Path) -> None:
        """A name in the file MUST win over the prefix; the workload comes from the file or from here."""
        file = tmp_path / "images.toml"
        file.write_text('"registry.k8s.io/pause:3.9" = "mirror/p:9"\nworkload = "mirror/w:1"\n')

        found = Mirrors.read("mirror.example/k8s/", file)

        assert found.source("registry.k8s.io/pause:3.9") == "mirror/p:9"
        assert found.source("registry.k8s.io/pause:3.10") == "mirror.example/k8s/pause:3.10"
        assert found.source(kind.images.workload()) == "mirror/w:1"
        assert Mirrors.read("mirror.example", None).source(kind.images.workload()) == ""

    @pytest.mark.parametrize(
        ("text", "reason"),
        [
            ("[", "cannot be read"),
            ('workload = ""', "'workload' must name an image"),
            ("workload = 3", "'workload' must name an image"),
            ('worklod = "x"', "did you mean 'workload'"),
        ],
    )
    def test_bad_files(self, tmp_path: Path, text: str, reason: str) -> None:
        """A file that cannot be meant MUST be refused by name."""
        file = tmp_path / "images.toml"
        file.write_text(text)

        with pytest.raises(UsageError, match=reason):
            Mirrors.read(None, file)


def test_a_dead_cluster_is_not_found(real: Make, machine: Machine) -> None:
    """A kept cluster that does not answer MUST be removed with its containers, and not be used."""
    state = killed_run(machine)
    path = kubeconfig(state.kubeconfig, free_port(), "kind-dev")
    state.save_cluster(Cluster("dev", "kind", "kind", path, "kind-dev", "v1", "u", 1, frozenset()).to_dict())

    assert KindProvider().find("dev", real()) is None

    assert machine.left == (["other-control-plane"], ["bridge"])
    assert not state.path.exists()
