"""Clusters at Google: what is asked of gcloud, what is refused, and that nothing is left to be paid for."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from fixtures.cluster import Cluster, ClusterState, gcloud, gke, reap
from fixtures.cluster.__main__ import main
from fixtures.cluster.gcloud import Gcloud, GcloudFailed
from fixtures.cluster.gke import GkeProvider
from fixtures.errors import StartError, SuiteError, UsageError
from fixtures.limits import Limits
from fixtures.processes import free_port
from fixtures.testbed import RELEASE_CHANNELS, SUITE, GkeSettings, Settings
from tests.unit.cluster import standin_gcloud
from tests.unit.cluster.conftest import eventually

Make = Callable[..., Settings]
PLACE = ["--project=proj", "--location=europe-west4-a", "--quiet"]
CONTEXT = "gke_proj_europe-west4-a_asc-unit"


class Google:
    """A project at Google, reached with a gcloud that is on a script."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.folder = folder
        text = Path(standin_gcloud.__file__).read_text()
        for name in (gcloud.PROGRAM, gcloud.PLUGIN):
            (folder / name).write_text(f"#!{sys.executable} -SE\n{text}")
            (folder / name).chmod(0o755)
        self.behaves()
        self.has()

    def behaves(self, **behaviour: Any) -> None:
        """Set what goes wrong."""
        (self.folder / "behaviour.json").write_text(json.dumps(behaviour))

    def has(self, *clusters: dict[str, Any]) -> None:
        """Set which clusters there are."""
        (self.folder / "clusters.json").write_text(json.dumps(clusters))

    @property
    def clusters(self) -> list[str]:
        """The names of those that there are."""
        return [c["name"] for c in json.loads((self.folder / "clusters.json").read_text())]

    @property
    def labels(self) -> dict[str, str]:
        """The labels of the first one."""
        found: dict[str, str] = json.loads((self.folder / "clusters.json").read_text())[0]["resourceLabels"]
        return found

    @property
    def calls(self) -> list[list[str]]:
        """The arguments of every call of gcloud."""
        file = self.folder / "calls"
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []

    @property
    def verbs(self) -> list[str]:
        """What every call was about."""
        return [call[2] if call[1] == "clusters" else call[1] for call in self.calls]


@pytest.fixture
def google(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, api_server: int) -> Iterator[Google]:
    """A project without clusters; one that is made has two nodes that are Ready."""
    made = Google(tmp_path / "bin")
    monkeypatch.setenv("PATH", f"{made.folder}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "ambient"))
    monkeypatch.setattr(gcloud, "RETRY", 0.01)
    serve(made, api_server)
    yield made
    made.behaves()
    for state in (ClusterState.named(name) for name in ("asc-unit", "dev")):
        state.destroy()


def serve(google: Google, port: int) -> None:
    """Let credentials be for an API server at that port, in the form in which gcloud writes them."""
    plugin = {
        "apiVersion": "client.authentication.k8s.io/v1beta1",
        "command": gcloud.PLUGIN,
        "installHint": "Install gke-gcloud-auth-plugin",
        "provideClusterInfo": True,
    }
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "CONTEXT", "cluster": {"server": f"http://127.0.0.1:{port}"}}],
        "users": [{"name": "CONTEXT", "user": {"exec": plugin}}],
        "contexts": [{"name": "CONTEXT", "context": {"cluster": "CONTEXT", "user": "CONTEXT"}}],
        "current-context": "CONTEXT",
    }
    (google.folder / "given-kubeconfig").write_text(yaml.safe_dump(content))


@pytest.fixture
def wanted(settings: Make) -> Make:
    """Settings of a run on GKE with two nodes, with the given changes; `seconds`: the limit of its start."""

    def make(**changes: Any) -> Settings:
        limits = Limits.parse([f"cluster_create_gke={changes.pop('seconds', 60)}"])
        asked = GkeSettings("proj", "europe-west4-a", confirmed="proj")
        return settings(**({"cluster": "gke", "nodes": 2, "limits": limits, "gke": asked} | changes))

    return make


def test_a_start_that_works(wanted: Make, google: Google, tmp_path: Path) -> None:
    """The cluster MUST be made as asked for, reached by a kubeconfig of its own, and be gone when deleted."""
    before = time.time()

    cluster = GkeProvider().create(wanted(kubernetes_version="v1.36.3"))

    state = ClusterState.named("asc-unit")
    assert (cluster.name, cluster.context, cluster.nodes) == ("asc-unit", CONTEXT, 2)
    assert (cluster.kubeconfig, cluster.environment_class) == (state.kubeconfig, "gke")
    assert cluster.capabilities == {"gc", "scheduler", "namespace-controller", "multi-node"}
    assert not (tmp_path / "ambient").exists()
    assert google.verbs == ["list", "list", "create", "get-credentials"]
    labels = google.labels
    assert (labels["asc-suite"], labels["asc-run"]) == (SUITE, "unit")
    assert before + 14400 - 1 <= int(labels["asc-expires"]) <= time.time() + 14401
    assert labels["asc-owner"]
    create = google.calls[2]
    assert create[:7] == ["container", "clusters", "create", "asc-unit", *PLACE]
    assert [a for a in create[7:] if not a.startswith("--labels=")] == [
        "--num-nodes=2",
        "--machine-type=e2-standard-4",
        "--release-channel=regular",
        "--cluster-version=1.36.3",
    ]
    assert "create asc-unit" in (state.path / "gcloud.log").read_text()
    assert Cluster.from_dict(state.load_cluster()) == cluster
    # The plugin keeps tokens where $KUBECONFIG is; the user's must not get any.
    plugin_calls = (google.folder / "plugin-calls").read_text().split()
    assert set(plugin_calls) == {str(state.kubeconfig)}

    GkeProvider().delete(cluster)

    assert google.clusters == []
    assert not state.path.exists()


def test_gvisor_nodes_are_a_pool_beside_the_others(wanted: Make, google: Google) -> None:
    """--gke-gvisor-nodes MUST make a pool of GKE Sandbox of that size, and its nodes be waited for."""
    asked = GkeSettings("proj", "europe-west4-a", gvisor_nodes=1, confirmed="proj")

    cluster = GkeProvider().create(wanted(nodes=1, gke=asked))

    assert google.calls[3] == [
        *("container", "node-pools", "create", "gvisor", "--cluster=asc-unit", *PLACE),
        *("--num-nodes=1", "--machine-type=e2-standard-4"),
        *("--image-type=cos_containerd", "--sandbox=type=gvisor"),
    ]
    assert "multi-node" not in cluster.capabilities


def test_processes_can_be_asked_where_nodes_can_pull_the_workload(
    wanted: Make, google: Google, tmp_path: Path
) -> None:
    """Only a workload of --images-file MUST bring real-kubelet, and Pods MUST ask for it by its own name."""
    file = tmp_path / "images.toml"
    file.write_text('workload = "registry.example/workload:1"\n')

    cluster = GkeProvider().create(wanted(images_file=file))

    assert "real-kubelet" in cluster.capabilities
    assert cluster.workload == "registry.example/workload:1"


class TestRefused:
    """Nothing is made that nobody has confirmed, or that could not be used."""

    def refused(self, settings: Settings) -> str:
        with pytest.raises(SuiteError) as caught:
            GkeProvider().require(settings)
        return str(caught.value)

    @pytest.mark.parametrize("confirmed", [None, "other"])
    def test_without_a_yes(self, wanted: Make, google: Google, confirmed: str | None) -> None:
        """The confirmation MUST name the very project that is billed, and the error say what for."""
        text = self.refused(wanted(gke=GkeSettings("proj", "europe-west4-a", confirmed=confirmed)))

        assert text == (
            "--cluster gke makes a cluster that project proj is billed for: 2 nodes e2-standard-4 in "
            "europe-west4-a. If that is what you want, add --yes-bill-project=proj; --dry-run shows the "
            "commands and runs none."
        )

    def test_without_nodes(self, wanted: Make, google: Google) -> None:
        """A cluster without nodes MUST be refused before it is paid for."""
        assert "--cluster gke needs --nodes 1 or more" in self.refused(wanted(nodes=0))

    @pytest.mark.parametrize("name", ["a" * 41, "1st"])
    def test_a_name_that_google_does_not_take(self, wanted: Make, google: Google, name: str) -> None:
        """A name that fits this machine alone MUST be refused."""
        assert "is no name of a GKE cluster" in self.refused(wanted(reuse_cluster=name))

    @pytest.mark.parametrize("missing", [gcloud.PROGRAM, gcloud.PLUGIN])
    def test_without_its_programs(
        self, wanted: Make, google: Google, monkeypatch: pytest.MonkeyPatch, missing: str
    ) -> None:
        """gcloud and its plugin MUST be missed before a cluster is made that nobody could reach."""
        (google.folder / missing).unlink()
        monkeypatch.setenv("PATH", str(google.folder))

        assert f"there is no {missing} on PATH" in self.refused(wanted())

    def test_installed_on_a_cluster_that_is_new(self, wanted: Make, google: Google) -> None:
        """A new cluster holds no controller: it MUST be refused before it is paid for."""
        assert "a new GKE cluster has no controller" in self.refused(wanted(controller="installed"))
        GkeProvider().require(wanted(controller="installed", reuse_cluster="dev"))

    def test_what_is_right(self, wanted: Make, google: Google) -> None:
        """With a yes, and all that it takes, nothing MUST be refused, and nothing be asked yet."""
        GkeProvider().require(wanted())

        assert google.calls == []

    def test_a_name_that_is_taken(self, wanted: Make, google: Google) -> None:
        """Somebody else's cluster MUST be refused by name, and neither be used nor deleted."""
        google.has({"name": "dev", "location": "europe-west4-a"})

        with pytest.raises(UsageError, match="project proj already has a cluster dev that no run knows of"):
            GkeProvider().create(wanted(reuse_cluster="dev"))

        assert google.verbs == ["list", "list"]
        assert not ClusterState.named("dev").path.exists()

    def test_nobody_is_logged_in(self, wanted: Make, google: Google) -> None:
        """The first question MUST show it, before anything is made, and the error say what to do."""
        google.behaves(fails={"list": "You do not currently have an active account selected."})

        with pytest.raises(StartError, match=r"active account selected\.\. .* `gcloud auth login`"):
            GkeProvider().create(wanted())

        assert google.verbs == ["list"]

    def test_a_list_that_lacks_something(self, google: Google) -> None:
        """Where a zone did not answer, a cluster MUST NOT be taken for gone."""
        google.behaves(incomplete=True)

        with pytest.raises(GcloudFailed, match="zones did not respond"):
            Gcloud("proj", "europe-west4-a").remove("dev", "unit", certain=True)


class TestUndoing:
    """Whatever goes wrong after the first command, the cluster is deleted."""

    @pytest.mark.parametrize("how", ["fails", "breaks"])
    @pytest.mark.parametrize("verb", ["create", "node-pools", "get-credentials"])
    def test_a_step_that_fails(self, wanted: Make, google: Google, how: str, verb: str) -> None:
        """gcloud's own reason MUST be quoted, and neither cluster nor folder be left."""
        google.behaves(**{how: {verb: "ResponseError: code=403, message=Quota exceeded"}})
        asked = GkeSettings("proj", "europe-west4-a", gvisor_nodes=1, confirmed="proj")

        with pytest.raises(StartError, match=r"`gcloud container .* failed: ERROR: .*Quota exceeded"):
            GkeProvider().create(wanted(gke=asked))

        assert google.clusters == []
        assert not ClusterState.named("asc-unit").path.exists()

    @pytest.mark.parametrize("verb", ["create", "get-credentials"])
    def test_a_step_that_hangs(
        self, wanted: Make, google: Google, monkeypatch: pytest.MonkeyPatch, verb: str
    ) -> None:
        """At the limit gcloud MUST be ended, and what it made be deleted."""
        google.behaves(hangs=[verb])
        monkeypatch.setattr(gke.gcloud, "ASK_LIMIT", 1.0)

        with pytest.raises(StartError, match="was not done after 1 s"):
            GkeProvider().create(wanted(seconds=1 if verb == "create" else 60))

        assert google.clusters == []
        assert ClusterState.named("asc-unit").processes() == []

    def test_no_kubeconfig(self, wanted: Make, google: Google) -> None:
        """A file of another form MUST be said to be one, and the cluster be deleted."""
        (google.folder / "given-kubeconfig").write_text("users: 7")

        with pytest.raises(StartError, match="gcloud wrote no kubeconfig of the usual form"):
            GkeProvider().create(wanted())

        assert google.clusters == []

    def test_nodes_that_do_not_become_ready(self, wanted: Make, google: Google) -> None:
        """A node that is missing MUST be counted in the error, and the others be deleted."""
        with pytest.raises(StartError, match=f"of 3 nodes of {CONTEXT} only 2 are Ready after 3 s"):
            GkeProvider().create(wanted(nodes=3, seconds=3))

        assert google.clusters == []

    def test_an_api_server_that_does_not_answer(self, wanted: Make, google: Google) -> None:
        """A cluster that cannot be reached from here MUST NOT stay."""
        serve(google, free_port())

        with pytest.raises(StartError, match="does not list its nodes"):
            GkeProvider().create(wanted())

        assert google.clusters == []

    def test_a_deletion_that_has_to_wait(self, wanted: Make, google: Google) -> None:
        """While GKE is busy making it, a cluster MUST be asked to go again and again."""
        google.behaves(breaks={"create": "Quota exceeded"}, busy=3)

        with pytest.raises(StartError, match="Quota exceeded"):
            GkeProvider().create(wanted())

        assert google.verbs.count("delete") == 4
        assert google.clusters == []

    def test_a_cluster_that_turns_up_late(self, wanted: Make, google: Google) -> None:
        """After an interruption one look that misses the cluster MUST NOT be enough."""
        google.behaves(breaks={"create": "the connection was lost"}, hidden=3)

        with pytest.raises(StartError, match="the connection was lost"):
            GkeProvider().create(wanted())

        assert google.clusters == []

    def test_a_deletion_that_fails(self, wanted: Make, google: Google) -> None:
        """What may still cost money MUST be said, with the command that ends it, and be tried again."""
        google.behaves(breaks={"create": "Quota exceeded"}, fails={"delete": "code=403, no permission"})

        with pytest.raises(StartError) as caught:
            GkeProvider().create(wanted())

        assert "Quota exceeded" in str(caught.value)
        assert "may still be there and cost money: it could not be deleted. Delete it: `" in str(caught.value)
        assert google.clusters == ["asc-unit"]
        state = ClusterState.named("asc-unit")
        assert state.ours

        google.behaves()
        abandon(state)
        assert reap(0) == ["asc-unit"]
        assert google.clusters == []

    def test_the_end_of_a_run_that_cannot_delete(self, wanted: Make, google: Google) -> None:
        """At the end of a run, too, a cluster that stays MUST be said to."""
        cluster = GkeProvider().create(wanted())
        google.behaves(fails={"delete": "code=403, no permission"})

        with pytest.raises(StartError, match="may still be there and cost money"):
            GkeProvider().delete(cluster)

    def test_another_cluster_of_the_name_is_left_alone(self, wanted: Make, google: Google) -> None:
        """If ours is gone and somebody made one of its name, that one MUST stay."""
        cluster = GkeProvider().create(wanted())
        google.has({"name": "asc-unit", "location": "europe-west4-a", "resourceLabels": {"asc-run": "unit"}})

        GkeProvider().delete(cluster)

        assert google.clusters == ["asc-unit"]


#: A run that makes a cluster, in a process of its own: arguments are state folder and artifacts.
RUN = """
import sys
from pathlib import Path
from fixtures.cluster import gcloud
from fixtures.cluster.gke import GkeProvider
from fixtures.conformance.signals import Interrupts
from fixtures.limits import Limits
from fixtures.testbed import GkeSettings, Settings
gcloud.RETRY = 0.01
Interrupts().install()
asked = GkeSettings("proj", "europe-west4-a", confirmed="proj")
GkeProvider().create(
    Settings("unit", Path(sys.argv[1]), Limits(), cluster="gke", nodes=int(sys.argv[2]), gke=asked)
)
"""


class TestInterrupted:
    """A run that is ended between "made" and "ready"."""

    def begun(self, tmp_path: Path, nodes: int = 2) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-c", RUN, str(tmp_path / "artifacts"), str(nodes)],
            cwd=Path(__file__).parents[3],
            stdin=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            preexec_fn=hear_sigint,
        )

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    @pytest.mark.parametrize("verb", ["create", "get-credentials"])
    def test_while_gcloud_works(
        self, google: Google, tmp_path: Path, number: signal.Signals, verb: str
    ) -> None:
        """Ctrl-C and SIGTERM MUST end gcloud and delete the cluster, though GKE is busy at first."""
        google.behaves(hangs=[verb], busy=2)
        run = self.begun(tmp_path)
        eventually(lambda: verb in google.verbs and google.clusters == ["asc-unit"])

        run.send_signal(number)

        assert run.wait(60) != 0
        assert google.clusters == []
        assert not ClusterState.named("asc-unit").path.exists()

    def test_while_nodes_are_awaited(self, google: Google, tmp_path: Path) -> None:
        """The same once gcloud is through and the nodes are not Ready yet."""
        run = self.begun(tmp_path, nodes=9)
        eventually(lambda: (google.folder / "plugin-calls").exists())

        run.send_signal(signal.SIGINT)

        assert run.wait(60) != 0
        assert google.clusters == []

    def test_killed(self, google: Google, tmp_path: Path) -> None:
        """What a killed run leaves MUST go with the next reaping, its gcloud too."""
        google.behaves(hangs=["create"])
        run = self.begun(tmp_path)
        eventually(lambda: google.clusters == ["asc-unit"])
        run.kill()
        run.wait()
        state = ClusterState.named("asc-unit")
        assert len(state.processes()) == 1

        assert reap(0) == ["asc-unit"]

        assert google.clusters == []
        assert state.processes() == []
        assert not state.path.exists()


class TestReaping:
    """Clusters whose time is over, whoever made them."""

    def labelled(self, name: str, location: str = "us-east1", **labels: str) -> dict[str, Any]:
        return {"name": name, "location": location, "resourceLabels": labels}

    def fill(self, google: Google) -> None:
        """A project with clusters of many kinds, of which one may go."""
        past, future = str(int(time.time()) - 1), str(int(time.time()) + 600)
        own = {"asc-suite": SUITE, "asc-run": "r"}
        google.has(
            self.labelled("over", **own, **{"asc-expires": past}),
            self.labelled("young", **own, **{"asc-expires": future}),
            self.labelled("odd", **own, **{"asc-expires": "soon"}),
            self.labelled("endless", **own),
            self.labelled("foreign", **{"asc-expires": past, "asc-run": "r"}),
            {"name": "bare", "location": "us-east1"},
        )

    def test_by_command(self, google: Google, capsys: pytest.CaptureFixture[str]) -> None:
        """Exactly what the suite made and has expired MUST go, wherever it is."""
        self.fill(google)

        assert main(["reap", "--gke-project", "proj"]) == 0

        assert google.clusters == ["young", "odd", "endless", "foreign", "bare"]
        assert capsys.readouterr().out == "over has expired and is being deleted\n"
        [delete] = [call for call in google.calls if "delete" in call]
        assert delete == [
            *("container", "clusters", "delete", "over", "--project=proj", "--location=us-east1", "--quiet"),
            "--async",
        ]

    def test_by_a_run(self, wanted: Make, google: Google) -> None:
        """A run on GKE MUST reap before it makes a cluster of its own."""
        self.fill(google)

        GkeProvider().create(wanted())

        assert google.verbs[:3] == ["list", "delete", "list"]
        assert "over" not in google.clusters

    def test_one_that_is_being_deleted(self, google: Google) -> None:
        """One that somebody else is deleting MUST NOT be an error."""
        self.fill(google)
        google.behaves(busy=1)

        assert gcloud.reap("proj") == ["over"]

    def test_a_project_that_is_not_ours(self, google: Google, capsys: pytest.CaptureFixture[str]) -> None:
        """gcloud's reason MUST be told, and the exit code say that nothing was reaped."""
        google.behaves(fails={"list": "ResponseError: code=403, message=Permission denied"})

        assert main(["reap", "--gke-project", "proj"]) == 3

        assert "gcloud does not reap project proj: ERROR:" in capsys.readouterr().err


class TestKept:
    """--reuse-cluster and --keep-cluster."""

    def test_it_is_found_again_and_lives_longer(self, wanted: Make, google: Google) -> None:
        """A kept cluster MUST be used again, and get a new expiry, so that nobody reaps it meanwhile."""
        made = GkeProvider().create(wanted(reuse_cluster="dev", gke=short(3600)))
        first = int(google.labels["asc-expires"])

        again = GkeProvider().find("dev", wanted(reuse_cluster="dev", gke=short(7200)))

        assert again == made
        assert int(google.labels["asc-expires"]) >= first + 3600
        assert google.labels["asc-suite"] == SUITE

    def test_one_that_was_reaped(self, wanted: Make, google: Google) -> None:
        """If it is gone, its folder MUST go, and another one be made."""
        GkeProvider().create(wanted(reuse_cluster="dev"))
        google.has()

        assert GkeProvider().find("dev", wanted(reuse_cluster="dev")) is None
        assert not ClusterState.named("dev").path.exists()

    def test_one_that_does_not_answer(self, wanted: Make, google: Google) -> None:
        """On a bad connection nothing MUST be deleted."""
        GkeProvider().create(wanted(reuse_cluster="dev"))
        google.behaves(fails={"list": "network is unreachable"})

        with pytest.raises(StartError, match="does not say what became of cluster dev"):
            GkeProvider().find("dev", wanted(reuse_cluster="dev"))

        assert google.clusters == ["dev"]
        assert ClusterState.named("dev").ours

    def test_by_command(self, wanted: Make, google: Google, capsys: pytest.CaptureFixture[str]) -> None:
        """`delete` MUST delete it at Google, and say so if that does not work."""
        GkeProvider().create(wanted(reuse_cluster="dev"))
        google.behaves(fails={"delete": "code=403"})
        assert main(["delete", "dev"]) == 3
        assert "dev is not removed" in capsys.readouterr().err

        google.behaves()
        assert main(["delete", "dev"]) == 0

        assert google.clusters == []


def test_credentials_are_not_asked_for_with_every_request(wanted: Make, google: Google) -> None:
    """A plugin takes longer than a request: what it said MUST do for a while."""
    cluster = GkeProvider().create(wanted())
    headers = cluster.connection.auth_headers()
    calls = google.folder / "plugin-calls"
    before = len(calls.read_text().split())

    for _ in range(50):
        assert cluster.connection.auth_headers() == headers == {"authorization": "Bearer secret"}

    assert len(calls.read_text().split()) - before <= 2


def hear_sigint() -> None:
    """Undo, in a child, that SIGINT is ignored: so it is where the self-tests run in the background."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def short(seconds: float) -> GkeSettings:
    """A cluster that may live so long."""
    return GkeSettings("proj", "europe-west4-a", expires_after=seconds, confirmed="proj")


def abandon(state: ClusterState) -> None:
    """Let the owner of a cluster be gone."""
    owner = json.loads((state.path / "owner.json").read_text())
    (state.path / "owner.json").write_text(json.dumps(owner | {"started": 1.0}))


class TestRealParser:
    """The argument lists, read by the gcloud of this machine: `tox -e gcloud`, and only there, because what
    it says depends on its version and on the machine.

    It reads its arguments before it asks who is logged in, and in a configuration of its own nobody is.
    """

    pytestmark = pytest.mark.skipif(
        "ASC_ASK_GCLOUD" not in os.environ, reason="`tox -e gcloud` asks the gcloud of the machine"
    )

    @pytest.fixture
    def told(self, tmp_path: Path) -> Callable[[list[str]], str]:
        """What gcloud says of arguments."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith("CLOUDSDK_")}
        environment |= {
            "CLOUDSDK_CONFIG": str(tmp_path / "gcloud"),
            "CLOUDSDK_CORE_CHECK_GCE_METADATA": "false",
            "CLOUDSDK_CORE_DISABLE_USAGE_REPORTING": "true",
            "CLOUDSDK_COMPONENT_MANAGER_DISABLE_UPDATE_CHECK": "true",
            "KUBECONFIG": str(tmp_path / "kubeconfig"),
        }

        def tell(arguments: list[str]) -> str:
            done = subprocess.run(
                arguments, env=environment, capture_output=True, text=True, timeout=120, check=False
            )
            assert done.returncode != 0, done.stdout
            return done.stderr

        return tell

    def test_every_command_is_understood(self, wanted: Make, told: Callable[[list[str]], str]) -> None:
        """Of each command gcloud MUST miss an account, and nothing else."""
        asked = GkeSettings("proj-123456", "europe-west4-a", gvisor_nodes=1)
        there = Gcloud(asked.project, asked.location)
        lines = gke.dry_run(wanted(gke=asked, kubernetes_version="v1.33.5"))
        commands = [shlex.split(line.partition("gcloud ")[2]) for line in lines]
        commands += [list(there.relabel("dev", "asc-expires=1")), [*there.delete("dev"), "--async"]]
        commands += [
            list(there.create("dev", replace(asked, release_channel=channel), 1, None, "a=b"))
            for channel in RELEASE_CHANNELS
        ]

        answers = {" ".join(command): told([gcloud.PROGRAM, *command]) for command in commands}

        assert len(answers) == 13
        for command, answer in answers.items():
            assert "do not currently have an active account selected" in answer, (command, answer)

    def test_a_wrong_one_is_not(self, told: Callable[[list[str]], str]) -> None:
        """The answer MUST be another one where an argument is wrong: else the test above shows nothing."""
        asked = GkeSettings("proj-123456", "europe-west4-a", release_channel="weekly")
        there = Gcloud(asked.project, asked.location)

        assert "--release-channel" in told([gcloud.PROGRAM, *there.create("dev", asked, 1, None, "a=b")])
        assert "unrecognized arguments" in told([gcloud.PROGRAM, *there.list(), "--gke-nodes=3"])
