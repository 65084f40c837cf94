"""The real testbed on a stub cluster: what is kept, what is hinted at, what is refused, what is undone."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
from filelock import FileLock

from fixtures import clustertestbed
from fixtures.cluster import Cluster, ClusterState
from fixtures.clustertestbed import ClusterTestbed
from fixtures.errors import StartError, UsageError
from fixtures.kube.client import ApiError
from fixtures.kube.connection import Connection
from fixtures.sabotage import ProxyProcess
from fixtures.system.agent_sandbox.controller import ControllerProcess
from fixtures.system.agent_sandbox.system import RULES, AgentSandbox, Identity
from fixtures.testbed import GkeSettings, Settings
from fixtures.toolchain import Toolchain

Make = Callable[..., Settings]


def cluster(name: str = "asc-unit", provider: str = "kwok") -> Cluster:
    """A cluster that nobody has to answer for."""
    return Cluster(
        name=name,
        provider=provider,
        environment_class=provider,
        kubeconfig=Path(f"/state/{name}/kubeconfig"),
        context=f"{provider}-{name}",
        kubernetes_version="v1.36.3",
        uid="u",
        nodes=3,
        capabilities=frozenset({"gc", "sut-restart"}),
    )


def system(process: ControllerProcess | None = None) -> AgentSandbox:
    """An installed agent-sandbox, with or without a process of ours."""
    identity = Identity(
        version="v0.5.6",
        sha256="abc",
        flags=("--extensions=true", "--kubeconfig=/secret/path"),
        features=frozenset({"SandboxClaim"}),
        binary="",
    )
    proxy = None
    if isinstance(process, ControllerProcess):
        proxy = ProxyProcess(Connection(process.kubeconfig, "c"), process.folder, RULES, process.ready_limit)
    return AgentSandbox(identity, process, ("namespace",), proxy)


class StubProvider:
    """Makes clusters out of nothing and counts those it deletes."""

    def __init__(self, name: str = "kwok") -> None:
        self.name = name
        self.deleted: list[str] = []

    def require(self, settings: Settings) -> None:
        pass

    def create(self, settings: Settings) -> Cluster:
        made = cluster(settings.reuse_cluster or f"asc-{settings.run_id}", self.name)
        if self.name == "kwok":
            ClusterState.named(made.name).own(settings.run_id)
        return made

    def delete(self, found: Cluster) -> None:
        self.deleted.append(found.name)
        if self.name == "kwok":
            ClusterState.named(found.name).destroy()

    def find(self, name: str, settings: Settings) -> Cluster | None:
        return None


@pytest.fixture
def stub(monkeypatch: pytest.MonkeyPatch) -> StubProvider:
    """The only provider there is; the system installs itself without doing anything."""
    made = StubProvider()
    monkeypatch.setattr(clustertestbed, "provider", lambda _: made)
    monkeypatch.setattr(AgentSandbox, "install", lambda *_: system())
    monkeypatch.setattr(AgentSandbox, "remove", lambda *_: None)
    return made


#: Settings for which nothing has to be found or built.
INSTALLED = {"controller": "installed"}


class TestKeeping:
    """--keep-cluster."""

    @pytest.mark.parametrize(
        ("wish", "failed", "kept"),
        [
            ("never", False, False),
            ("never", True, False),
            ("on-failure", False, False),
            ("on-failure", True, True),
            ("always", False, True),
            ("always", True, True),
        ],
    )
    def test_what_is_kept(
        self, stub: StubProvider, settings: Make, wish: str, failed: bool, kept: bool
    ) -> None:
        """The cluster MUST be kept, or destroyed, as was wished."""
        testbed = ClusterTestbed.start(settings(keep_cluster=wish, **INSTALLED))
        assert testbed.hints == []
        state = ClusterState.named("asc-unit")
        assert state.path.is_dir()

        testbed.stop(failed=failed)

        assert testbed.kept is kept
        assert stub.deleted == ([] if kept else ["asc-unit"])
        assert state.path.is_dir() is kept
        assert state.kept is kept
        assert bool(testbed.hints) is kept

    @pytest.mark.parametrize("failed", [False, True])
    def test_one_that_is_reused_is_kept(self, stub: StubProvider, settings: Make, failed: bool) -> None:
        """--reuse-cluster MUST keep the cluster for the next run."""
        testbed = ClusterTestbed.start(settings(reuse_cluster="dev", **INSTALLED))

        testbed.stop(failed=failed)

        assert testbed.kept
        assert stub.deleted == []

    def test_a_foreign_one_is_neither_kept_nor_ours(
        self, stub: StubProvider, settings: Make, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """An existing cluster MUST be left as it is; only the run's own folder goes."""
        stub.name = "existing"
        testbed = ClusterTestbed.start(settings(cluster="existing", keep_cluster="always", **INSTALLED))
        assert testbed.state_dir == ClusterState.named("asc-unit").path
        assert testbed.state_dir.is_dir()

        testbed.stop(failed=True)

        assert not testbed.kept
        assert testbed.hints == []
        assert not testbed.state_dir.exists()

    def test_the_hints_reach_the_cluster(self, stub: StubProvider, settings: Make) -> None:
        """The lines MUST name kubeconfig and context, and how to use it again and how to be rid of it."""
        testbed = ClusterTestbed.start(settings(keep_cluster="always", **INSTALLED))
        testbed.stop(failed=False)

        export, get, again, down = testbed.hints
        assert export == "export KUBECONFIG=/state/asc-unit/kubeconfig"
        assert get == "kubectl --kubeconfig /state/asc-unit/kubeconfig --context kwok-asc-unit get pods -A"
        assert again.endswith(" --reuse-cluster asc-unit")
        assert down.endswith("-m fixtures.cluster delete asc-unit")


class TestReusing:
    """--reuse-cluster."""

    def test_refused_while_in_use(self, stub: StubProvider, settings: Make) -> None:
        """A second run MUST be refused while the first one uses the cluster, and only then."""
        first = ClusterTestbed.start(settings(reuse_cluster="dev", **INSTALLED))

        with pytest.raises(UsageError, match="cluster dev is in use by another run. Wait for it, or give"):
            ClusterTestbed.start(settings(reuse_cluster="dev", run_id="second", **INSTALLED))
        other = ClusterTestbed.start(settings(reuse_cluster="dev2", run_id="third", **INSTALLED))
        other.stop(failed=False)

        first.stop(failed=False)
        ClusterTestbed.start(settings(reuse_cluster="dev", run_id="fourth", **INSTALLED)).stop(failed=False)

    def test_a_start_that_fails_gives_the_cluster_back(
        self, stub: StubProvider, settings: Make, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """After a failed start the reservation MUST be free."""
        monkeypatch.setattr(AgentSandbox, "install", raising(StartError("no")))

        with pytest.raises(StartError) as caught:
            ClusterTestbed.start(settings(reuse_cluster="dev", **INSTALLED))

        FileLock(ClusterState.named("dev").lock_file).acquire(timeout=0).lock.release()
        # A lock that is merely forgotten lives as long as the traceback: to the end of the run.
        assert caught.value.__traceback__ is not None

    def test_only_embedded_clusters(self, stub: StubProvider, settings: Make) -> None:
        """Other clusters are named by kubeconfig: the combination MUST be refused."""
        with pytest.raises(UsageError, match="--reuse-cluster is for --cluster kwok, kind and gke"):
            ClusterTestbed.start(settings(cluster="existing", reuse_cluster="dev", **INSTALLED))

    def test_a_name_of_another_sort(self, stub: StubProvider, settings: Make) -> None:
        """A kept kwok cluster MUST NOT be destroyed to make a kind cluster of its name."""
        ClusterTestbed.start(settings(reuse_cluster="dev", **INSTALLED)).stop(failed=False)
        ClusterState.named("dev").save_cluster(cluster("dev").to_dict())

        with pytest.raises(UsageError, match="dev is of --cluster kwok, not kind. Say --cluster kwok, or"):
            ClusterTestbed.start(settings(cluster="kind", reuse_cluster="dev", **INSTALLED))

        assert stub.deleted == []

    def test_the_hint_names_the_sort(self, stub: StubProvider, settings: Make) -> None:
        """Using a kind cluster again MUST be hinted at with --cluster kind."""
        testbed = ClusterTestbed(cluster("dev", "kind"), system(), settings(cluster="kind"), kept=True)

        assert testbed.hints[2].endswith(" --cluster kind --reuse-cluster dev")

    def test_the_hints_of_one_that_costs_money(self, settings: Make) -> None:
        """A kept GKE cluster MUST be hinted at with project and location, and with what it costs."""
        given = settings(cluster="gke", gke=GkeSettings("proj", "europe-west4-a", expires_after=3600))
        hints = ClusterTestbed(cluster("dev", "gke"), system(), given, kept=True).hints

        assert " --cluster gke --gke-project proj --gke-location europe-west4-a " in hints[2]
        assert " --yes-bill-project proj " in hints[2]
        assert hints[-1] == "it costs money until then; 3600 s after its start it may be reaped"

    def test_no_engine_is_said_first(
        self, stub: StubProvider, settings: Make, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Without a container engine nothing MUST be built for a kind cluster."""
        monkeypatch.setattr(StubProvider, "require", raising(StartError("there is no docker on PATH")))
        monkeypatch.setattr(clustertestbed, "_controller", raising(AssertionError("built")))

        with pytest.raises(StartError, match="no docker"):
            ClusterTestbed.start(settings(cluster="kind"))


class TestController:
    """--controller, on clusters whose nodes have it from a registry and on others."""

    @pytest.mark.parametrize(
        ("cluster_name", "spec", "wanted"),
        [
            ("kwok", "v0.5.6", "program"),
            ("kind", "v0.5.6", "program"),
            ("kind", "image:mine:1@v0.5.6", "image"),
            ("gke", "v0.5.6", "image"),
            ("gke", "image:mine:1@v0.5.6", "image"),
        ],
    )
    def test_what_is_got(
        self,
        stub: StubProvider,
        settings: Make,
        monkeypatch: pytest.MonkeyPatch,
        cluster_name: str,
        spec: str,
        wanted: str,
    ) -> None:
        """An image MUST be taken where it was named, or where nodes can have nothing else; else a program."""
        got: list[tuple[str, str]] = []
        monkeypatch.setattr(Toolchain, "controller", lambda _, given, __: got.append(("program", given)))
        monkeypatch.setattr(Toolchain, "controller_image", lambda _, given, __: got.append(("image", given)))

        ClusterTestbed.start(settings(cluster=cluster_name, controller=spec)).stop(failed=False)

        assert got == [(wanted, spec)]


class TestUndoing:
    """A start that fails leaves nothing."""

    @pytest.mark.parametrize("error", [StartError("no"), KeyboardInterrupt()])
    @pytest.mark.parametrize("name", ["kwok", "existing"])
    def test_a_system_that_does_not_come_up(
        self,
        stub: StubProvider,
        settings: Make,
        monkeypatch: pytest.MonkeyPatch,
        own_folders: Path,
        error: BaseException,
        name: str,
    ) -> None:
        """The cluster that was made, and the run's folder, MUST be gone when the error arrives."""
        stub.name = name
        monkeypatch.setattr(AgentSandbox, "install", raising(error))

        with pytest.raises(type(error)):
            ClusterTestbed.start(settings(cluster=name, **INSTALLED))

        assert stub.deleted == [cluster(provider=name).name]
        assert [p.name for p in own_folders.iterdir()] == []

    def test_an_api_server_that_fails_meanwhile(
        self, stub: StubProvider, settings: Make, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """It MUST be told as what keeps a run from starting, and nothing be left."""
        monkeypatch.setattr(AgentSandbox, "install", raising(ApiError("GET", "/x", 0, "Unreachable", "late")))

        with pytest.raises(StartError, match="API server of .* failed while .*GET /x: 0 Unreachable: late"):
            ClusterTestbed.start(settings(**INSTALLED))

        assert stub.deleted == [cluster().name]

    def test_a_reused_cluster_is_not_taken_down(
        self, stub: StubProvider, settings: Make, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A cluster that was there before MUST survive a failed start."""
        ClusterTestbed.start(settings(reuse_cluster="dev", **INSTALLED)).stop(failed=False)
        monkeypatch.setattr(StubProvider, "find", lambda *_: cluster("dev"))
        monkeypatch.setattr(AgentSandbox, "install", raising(StartError("no")))

        with pytest.raises(StartError):
            ClusterTestbed.start(settings(reuse_cluster="dev", **INSTALLED))

        assert stub.deleted == []
        assert ClusterState.named("dev").kept

    def test_a_foreign_cluster_that_is_refused(
        self, stub: StubProvider, settings: Make, monkeypatch: pytest.MonkeyPatch, own_folders: Path
    ) -> None:
        """A usage error about an existing cluster MUST leave no folder."""
        monkeypatch.setattr(StubProvider, "create", raising(UsageError("no")))

        with pytest.raises(UsageError):
            ClusterTestbed.start(settings(cluster="existing", **INSTALLED))

        assert list(own_folders.iterdir()) == []


class TestDescribing:
    """What reports and workers are told."""

    def test_a_worker_attaches_to_the_same(self, settings: Make, tmp_path: Path) -> None:
        """The handover MUST survive as builtin types, and nothing be lost."""
        process = ControllerProcess(
            name="controller",
            folder=tmp_path / "folder",
            cluster=tmp_path,
            binary=tmp_path / "controller",
            flags=frozenset({"extensions"}),
            kubeconfig=tmp_path / "kubeconfig",
            ready_limit=7.5,
        )
        main = ClusterTestbed(cluster(), system(process), settings())

        wire = json.loads(json.dumps(main.handover()))
        worker = ClusterTestbed.attach(wire, settings())

        assert (worker.cluster, worker.system) == (main.cluster, main.system)
        assert worker.handover() == main.handover()

    def test_the_target(self, settings: Make) -> None:
        """The target MUST say what was tested, without paths of the machine."""
        target = ClusterTestbed(cluster(), system(), settings()).target

        assert target == {
            "provider": "kwok",
            "class": "kwok",
            "k8sVersion": "v1.36.3",
            "nodes": 3,
            "clusterUid": "u",
            "sut": {
                "name": "agent-sandbox",
                "version": "v0.5.6",
                "sha256": "abc",
                "flags": ["--extensions=true"],
            },
        }

    def test_only_our_own_controller_can_be_restarted(self, settings: Make) -> None:
        """What needs the process to be ours MUST depend on the process, not on the cluster."""
        ours = ClusterTestbed(cluster(), system(cast(Any, object())), settings())
        theirs = ClusterTestbed(cluster(), system(None), settings())

        assert ours.capabilities == {"gc", "sut-restart", "api-proxy"}
        assert theirs.capabilities == {"gc"}
        assert theirs.inferred_features == {"SandboxClaim"}


def raising(error: BaseException) -> Callable[..., Any]:
    """A function that raises."""

    def fail(*_: object, **__: object) -> None:
        raise error

    return fail
