"""Making and finding clusters: what is refused, what is retried, and that nothing is left behind."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from fixtures.cluster import Cluster, ClusterState, kind, kwok, provider
from fixtures.cluster.existing import ExistingProvider
from fixtures.cluster.kwok import KwokProvider
from fixtures.conformance.vocabulary import CAPABILITIES, KWOK_CAPABILITIES
from fixtures.errors import StartError, UsageError
from fixtures.limits import Limits
from fixtures.processes import ProcessRecord, free_port
from fixtures.testbed import Settings
from tests.unit.cluster.conftest import eventually, kubeconfig

Make = Callable[..., Settings]
Start = Callable[..., ProcessRecord]


def test_what_requirements_may_need_is_what_clusters_offer() -> None:
    """Each capability MUST be offered somewhere; what core requirements may need, by the embedded cluster."""
    assert kwok.CAPABILITIES == KWOK_CAPABILITIES
    assert kwok.CAPABILITIES | kind.CAPABILITIES == CAPABILITIES


class TestExisting:
    """`--cluster existing`: nothing is taken for granted."""

    def refused(self, settings: Settings) -> str:
        with pytest.raises(UsageError) as caught:
            ExistingProvider().create(settings)
        return str(caught.value)

    def test_without_a_kubeconfig(
        self, settings: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        """The ambient KUBECONFIG MUST NOT be used."""
        monkeypatch.setenv("KUBECONFIG", str(kubeconfig(tmp_path / "ambient", 1, "prod", current="prod")))

        assert "needs --kubeconfig FILE" in self.refused(settings(kube_context="prod", yes_run_on="prod"))

    def test_a_file_that_is_not_there(self, settings: Make, tmp_path: Path) -> None:
        """A missing file MUST be named."""
        text = self.refused(settings(kubeconfig=tmp_path / "none", kube_context="dev"))

        assert text == (
            f"kubeconfig {tmp_path / 'none'} does not exist. Name an existing file with --kubeconfig."
        )

    @pytest.mark.parametrize("context", ["dev", None])
    @pytest.mark.parametrize(
        "content", [b"", b"hello", b"{", b"- 1", b"a: b", b"\xff\xfe\x00", b"contexts: 7", b"contexts: [7]"]
    )
    def test_a_file_that_is_no_kubeconfig(
        self, settings: Make, tmp_path: Path, content: bytes, context: str | None
    ) -> None:
        """Any other file MUST be refused by name, with or without a context."""
        path = tmp_path / "notes.txt"
        path.write_bytes(content)

        assert str(path) in self.refused(settings(kubeconfig=path, kube_context=context))

    def test_without_a_context(self, settings: Make, tmp_path: Path) -> None:
        """The contexts to choose from MUST be listed; the current one is not taken unasked."""
        path = kubeconfig(tmp_path / "config", 1, "prod", "dev", current="prod")

        text = self.refused(settings(kubeconfig=path, yes_run_on="prod"))

        assert text == f"name the context with --kube-context; {path} has: dev, prod."

    def test_the_current_context_may_be_unset(self, settings: Make, tmp_path: Path) -> None:
        """--use-current-context MUST NOT invent one."""
        path = kubeconfig(tmp_path / "config", 1, "dev")

        text = self.refused(settings(kubeconfig=path, use_current_context=True))

        assert "name the context with --kube-context" in text

    def test_an_unknown_context(self, settings: Make, tmp_path: Path) -> None:
        """A context that the file does not have MUST be named."""
        path = kubeconfig(tmp_path / "config", 1, "dev")

        text = self.refused(settings(kubeconfig=path, kube_context="prod", yes_run_on="prod"))

        assert str(path) in text
        assert "'prod'" in text

    @pytest.mark.parametrize("confirmed", [None, "prod"])
    def test_without_confirmation(self, settings: Make, tmp_path: Path, confirmed: str | None) -> None:
        """The confirmation MUST name this very context."""
        path = kubeconfig(tmp_path / "config", 1, "dev", current="dev")

        for choice in ({"kube_context": "dev"}, {"use_current_context": True}):
            text = self.refused(settings(kubeconfig=path, yes_run_on=confirmed, **choice))
            assert text.endswith("add --yes-run-on=dev.")

    def test_a_server_that_does_not_answer(self, settings: Make, tmp_path: Path) -> None:
        """A cluster that cannot be reached is no usage error: it may come back."""
        path = kubeconfig(tmp_path / "config", free_port(), "dev")

        with pytest.raises(StartError, match="the cluster of context 'dev' in .* does not answer"):
            ExistingProvider().create(settings(kubeconfig=path, kube_context="dev", yes_run_on="dev"))

    def test_a_cluster_that_was_confirmed(self, settings: Make, tmp_path: Path, api_server: int) -> None:
        """The cluster MUST be described as found, without capabilities that need a hand on it."""
        path = kubeconfig(tmp_path / "config", api_server, "dev", current="dev")

        found = ExistingProvider().create(
            settings(kubeconfig=path, use_current_context=True, yes_run_on="dev")
        )

        assert found == Cluster(
            name="dev",
            provider="existing",
            environment_class="existing",
            kubeconfig=path,
            context="dev",
            kubernetes_version="v1.36.3",
            uid="uid-of-the-cluster",
            nodes=2,
            capabilities=frozenset({"gc", "scheduler", "namespace-controller", "multi-node"}),
        )
        ExistingProvider().delete(found)
        assert path.is_file()


#: A kwokctl: starts a component, and then does as `behaviour` says.
KWOKCTL = f"""#!{sys.executable} -SE
import os, pathlib, shutil, subprocess, sys, time
here = pathlib.Path(__file__).parent
flags = dict(a[2:].split("=", 1) for a in sys.argv[1:] if a.startswith("--"))
with open(here / "calls", "a") as calls:
    print(*sys.argv[1:], os.environ["KWOK_WORKDIR"], os.environ.get("KUBECONFIG"), file=calls)
component = [sys.executable, "-S", "-c", "import time; time.sleep(600)", os.environ["KWOK_WORKDIR"] + "/etcd"]
subprocess.Popen(component, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
behaviour = (here / "behaviour").read_text().split()
now, later = behaviour[0], behaviour[1:]
(here / "behaviour").write_text(" ".join(later or behaviour))
if now == "fails":
    sys.exit("something is wrong with the disk")
if now == "clashes":
    sys.exit("listen tcp 127.0.0.1:2379: bind: address already in use")
if now == "hangs":
    time.sleep(600)
shutil.copy(here / "given-kubeconfig", flags["kubeconfig"])
"""


class FakeKwokctl:
    """A kwokctl on a script, and whatever it started."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.folder = folder
        self.path = folder / "kwokctl"
        self.path.write_text(KWOKCTL)
        self.path.chmod(0o755)

    def will(self, *behaviour: str) -> None:
        """Set what the next calls do: works, fails, clashes, hangs; the last one stays."""
        (self.folder / "behaviour").write_text(" ".join(behaviour))

    @property
    def calls(self) -> list[str]:
        """The command lines so far."""
        calls = self.folder / "calls"
        return calls.read_text().splitlines() if calls.exists() else []


@pytest.fixture
def kwokctl(tmp_path: Path) -> Iterator[FakeKwokctl]:
    """A fake kwokctl; what it started is gone afterwards."""
    yield FakeKwokctl(tmp_path / "bin")
    for state in (ClusterState.named(name) for name in ("asc-unit", "dev")):
        state.destroy()


@pytest.fixture
def embedded(settings: Make, kwokctl: FakeKwokctl, monkeypatch: pytest.MonkeyPatch) -> Make:
    """Settings of a run whose tools are all the fake kwokctl, with a short limit."""
    monkeypatch.setattr(kwok, "PATIENCE", 0.0)
    tools = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "etcd", "kwok", "kwokctl")

    def make(**changes: object) -> Settings:
        seconds = changes.pop("seconds", 60)
        limits = Limits.parse([f"cluster_create_kwok={seconds}"])
        return settings(tool_paths=dict.fromkeys(tools, kwokctl.path), limits=limits, **changes)

    return make


def nothing_is_left(name: str = "asc-unit") -> bool:
    """Whether neither folder nor process of the cluster exists."""
    state = ClusterState.named(name)
    return not state.path.exists() and state.processes() == []


class TestKwok:
    """`--cluster kwok`: an embedded cluster, or nothing."""

    def test_a_start_that_works(
        self, embedded: Make, kwokctl: FakeKwokctl, api_server: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The cluster MUST lie in its folder, on loopback, recorded for later runs, until it is deleted."""
        monkeypatch.setenv("KUBECONFIG", "/ambient")
        kubeconfig(kwokctl.folder / "given-kubeconfig", api_server, "kwok-asc-unit")
        kwokctl.will("works")

        cluster = KwokProvider().create(embedded(nodes=2))

        state = ClusterState.named("asc-unit")
        assert (cluster.name, cluster.kubeconfig, cluster.context) == (
            "asc-unit",
            state.kubeconfig,
            "kwok-asc-unit",
        )
        assert (cluster.kubernetes_version, cluster.uid, cluster.nodes) == (
            "v1.36.3",
            "uid-of-the-cluster",
            2,
        )
        assert Cluster.from_dict(state.load_cluster()) == cluster
        assert kwokctl.calls[0].endswith(f"--wait=60s {state.path}/kwok None")
        config = yaml.safe_load((state.path / "kwokctl.yaml").read_text())
        assert config["options"]["bindAddress"] == "127.0.0.1"
        # kwokctl would choose others, and two that start at once the same.
        ports = [config["options"][name] for name in kwok.PORTS]
        assert len(set(ports)) == 6
        assert not any(is_free(port) for port in ports)
        assert len(state.processes()) == 1
        assert KwokProvider().find("asc-unit", embedded()) == cluster

        KwokProvider().delete(cluster)

        assert nothing_is_left()
        assert KwokProvider().find("asc-unit", embedded()) is None

    def test_a_start_that_fails(self, embedded: Make, kwokctl: FakeKwokctl) -> None:
        """The last words of kwokctl MUST be quoted, and nothing be left; it is not tried again."""
        kwokctl.will("fails")

        with pytest.raises(StartError) as caught:
            KwokProvider().create(embedded())

        assert "the embedded cluster asc-unit did not start (kwokctl exit code 1)." in str(caught.value)
        assert "kwokctl.log: something is wrong with the disk" in str(caught.value)
        assert len(kwokctl.calls) == 1
        assert nothing_is_left()

    def test_a_start_that_hangs(self, embedded: Make, kwokctl: FakeKwokctl) -> None:
        """At the limit kwokctl and what it started MUST be ended."""
        kwokctl.will("hangs")

        with pytest.raises(StartError, match="the embedded cluster asc-unit was not up after 1 s"):
            KwokProvider().create(embedded(seconds=1))

        assert nothing_is_left()

    def test_a_lost_race_for_a_port_is_repeated(
        self, embedded: Make, kwokctl: FakeKwokctl, api_server: int
    ) -> None:
        """A start that lost a port MUST be repeated from nothing."""
        kubeconfig(kwokctl.folder / "given-kubeconfig", api_server, "kwok-asc-unit")
        kwokctl.will("clashes", "clashes", "works")

        KwokProvider().create(embedded())

        assert len(kwokctl.calls) == 3
        assert len(ClusterState.named("asc-unit").processes()) == 1

    def test_a_race_that_is_always_lost(self, embedded: Make, kwokctl: FakeKwokctl) -> None:
        """The attempts MUST end, with the reason and without leftovers."""
        kwokctl.will("clashes")

        with pytest.raises(StartError, match="address already in use"):
            KwokProvider().create(embedded())

        assert len(kwokctl.calls) == kwok.ATTEMPTS
        assert nothing_is_left()

    def test_a_cluster_that_refuses_a_node(self, embedded: Make, kwokctl: FakeKwokctl) -> None:
        """A control plane that came up but does not answer MUST be taken down again."""
        kubeconfig(kwokctl.folder / "given-kubeconfig", free_port(), "kwok-asc-unit")
        kwokctl.will("works")

        with pytest.raises(StartError, match="came up but refused a node"):
            KwokProvider().create(embedded())

        assert nothing_is_left()

    def test_an_interruption(
        self, embedded: Make, kwokctl: FakeKwokctl, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Ctrl-C in the middle of a start MUST leave no process and no folder."""
        kwokctl.will("hangs")
        state = ClusterState.named("asc-unit")
        wait = subprocess.Popen.wait

        def interrupted(child: object, timeout: float | None = None) -> int:
            if timeout is None:
                return wait(child)  # type: ignore[arg-type]
            # kwokctl itself and the component that it has started.
            eventually(lambda: len(state.processes()) == 2)
            raise KeyboardInterrupt

        monkeypatch.setattr(subprocess.Popen, "wait", interrupted)

        with pytest.raises(KeyboardInterrupt):
            KwokProvider().create(embedded())

        assert nothing_is_left()

    def test_a_kwokctl_that_does_not_run(self, embedded: Make, kwokctl: FakeKwokctl) -> None:
        """A binary of another machine MUST be a StartError that names it."""
        kwokctl.path.write_bytes(b"\x7fELF but not for this machine")

        with pytest.raises(StartError, match=f"{kwokctl.path} does not run"):
            KwokProvider().create(embedded())

        assert nothing_is_left()

    def test_a_public_listener_is_refused(
        self, embedded: Make, kwokctl: FakeKwokctl, start: Start, tmp_path: Path
    ) -> None:
        """A cluster that listens beyond loopback MUST be taken down."""
        code = (
            "import pathlib, socket, sys, time; s = socket.create_server(('0.0.0.0', 0)); "
            "pathlib.Path(sys.argv[2]).touch(); time.sleep(600)"
        )
        state = ClusterState.named("asc-unit")
        listener = start(code, "apiserver", str(tmp_path / "listening"), marked=state.path)
        eventually((tmp_path / "listening").exists)
        kwokctl.will("works")
        (kwokctl.folder / "given-kubeconfig").write_text("")

        with pytest.raises(StartError, match=r"listens on 0\.0\.0\.0:\d+, not only on loopback"):
            KwokProvider().create(embedded())

        assert not listener.alive
        assert nothing_is_left()

    def test_the_remains_of_a_dead_cluster_are_removed(self, settings: Make, api_server: int) -> None:
        """A kept cluster without processes MUST NOT be used, though something answers at its address."""
        state = ClusterState.named("dev")
        state.own("r")
        path = kubeconfig(state.kubeconfig, api_server, "kwok-dev")
        state.save_cluster(embedded_cluster("dev", path).to_dict())

        assert KwokProvider().find("dev", settings()) is None
        assert nothing_is_left("dev")

    def test_a_neighbours_processes_are_not_ones_own(
        self, settings: Make, api_server: int, start: Start
    ) -> None:
        """A dead cluster MUST NOT be taken for alive because another one's name begins alike."""
        state = ClusterState.named("dev")
        state.own("r")
        state.save_cluster(
            embedded_cluster("dev", kubeconfig(state.kubeconfig, api_server, "kwok-dev")).to_dict()
        )
        neighbour = start(marked=ClusterState.named("dev2").path)

        assert KwokProvider().find("dev", settings()) is None
        assert neighbour.alive

    def test_new_kinds_restart_ones_own_controller_manager(self, tmp_path: Path) -> None:
        """Exactly the kube-controller-manager of this cluster MUST be restarted, with its arguments."""
        binary = tmp_path / "kube-controller-manager"
        # A copy of the interpreter would do as well; a link keeps the name in the command line.
        binary.symlink_to(sys.executable)
        state, neighbour = ClusterState.named("dev"), ClusterState.named("dev2")
        for each in (state, neighbour):
            each.own("r")
        made = []
        for each in (state, neighbour):
            command = [str(binary), "-S", "-c", "import time; time.sleep(600)", f"{each.path}/pki"]
            made.append(kwok.start_detached(command, tmp_path / "log", environment=os.environ | each.mark))
        try:
            KwokProvider().kinds_added(embedded_cluster("dev", state.kubeconfig))

            assert not made[0].alive
            assert made[1].alive
            assert [record.command for record in state.processes()] == [made[0].command]
        finally:
            state.destroy()
            neighbour.destroy()


def is_free(port: int) -> bool:
    """Whether another run could be given a port."""
    with socket.socket() as other:
        try:
            other.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def embedded_cluster(name: str, path: Path) -> Cluster:
    """The record of an embedded cluster."""
    return Cluster(name, "kwok", "kwok", path, f"kwok-{name}", "v1.36.3", "u", 2, kwok.CAPABILITIES)


def test_providers_by_name() -> None:
    """Each value of --cluster MUST have its provider."""
    assert isinstance(provider("kwok"), KwokProvider)
    assert isinstance(provider("existing"), ExistingProvider)
