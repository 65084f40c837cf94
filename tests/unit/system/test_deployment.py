"""The controller's Deployment: what is taken from upstream's files, and what is put in."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest

from fixtures.errors import UsageError
from fixtures.kube.client import Api
from fixtures.kube.kinds import DEPLOYMENT, Kind
from fixtures.kube.snapshot import Snapshot
from fixtures.system.agent_sandbox import deployment

NAMESPACE = "kind: Namespace\nmetadata: {name: agent-sandbox-system}\n"
ROLE = "kind: ClusterRole\nmetadata: {name: agent-sandbox-controller}\nrules: []\n"


def deployed(flags: str) -> str:
    """A Deployment of the controller."""
    container = f"{{name: c, image: 'ko://placeholder', args: [{flags}]}}"
    spec = f"{{template: {{spec: {{containers: [{container}]}}}}}}"
    return f"kind: Deployment\nmetadata: {{name: agent-sandbox-controller}}\nspec: {spec}\n"


@pytest.fixture
def manifests(tmp_path: Path) -> Path:
    """Upstream's folder, as far as it is looked at."""
    (tmp_path / "controller.yaml").write_text("---\n".join([deployed("'--a'"), NAMESPACE]))
    (tmp_path / "extensions.controller.yaml").write_text(deployed("'--a', '--extensions'"))
    (tmp_path / "kustomization.yaml").write_text("kind: Kustomization\n")
    (tmp_path / "rbac.generated.yaml").write_text(f"---\n{ROLE}")
    return tmp_path


def test_upstreams_objects_with_our_image(manifests: Path) -> None:
    """What others need MUST come first; the Deployment with extensions counts, with our image and flags."""
    objects = deployment.read(manifests, "local/c:1", frozenset({"enable-webhook"}))

    assert [kind.name for kind, _ in objects] == ["Namespace", "ClusterRole", "Deployment"]
    [container] = objects[-1][1]["spec"]["template"]["spec"]["containers"]
    assert (container["image"], container["imagePullPolicy"]) == ("local/c:1", "IfNotPresent")
    assert deployment.arguments(objects) == ("--a", "--extensions", "--enable-webhook=false")


def test_a_flag_that_the_binary_lacks_is_not_given(manifests: Path) -> None:
    """From 1.0 on there is no webhook: an unknown flag would end the controller."""
    objects = deployment.read(manifests, "local/c:1", frozenset())

    assert deployment.arguments(objects) == ("--a", "--extensions")


@pytest.mark.parametrize(
    ("release", "flags"),
    [("v0.5.3", {"enable-webhook"}), ("v0.10.0-rc.1", {"enable-webhook"}), ("v1.0.0", set())],
)
def test_the_flags_of_a_release_that_cannot_be_asked(release: str, flags: set[str]) -> None:
    """From 1.0 on an image MUST NOT be given the flag that would end it."""
    assert deployment.flags_of(release) == flags


class Pods:
    """An API server that has these Pods."""

    def __init__(self, *statuses: dict[str, Any]) -> None:
        self.statuses = statuses

    def list(self, kind: Kind, namespace: str) -> list[Snapshot]:
        assert (kind.name, namespace) == ("Pod", "agent-sandbox-system")
        return [Snapshot({"metadata": {"name": "p"}, "status": status}) for status in self.statuses]


def test_what_runs_says_which_image_it_is() -> None:
    """The digest MUST be that of the controller's running container, not of one that still waits."""
    waiting = {"name": deployment.NAME, "imageID": "", "state": {"waiting": {"reason": "ContainerCreating"}}}
    running = {"name": deployment.NAME, "imageID": "example/c@sha256:abc", "state": {"running": {"a": 1}}}
    other = {"name": "sidecar", "imageID": "x@sha256:def", "state": {"running": {"a": 1}}}

    pods = Pods({}, {"containerStatuses": [waiting]}, {"containerStatuses": [other, running]})

    assert deployment.running_image(cast(Api, pods)) == "abc"
    assert deployment.running_image(cast(Api, Pods())) == ""


def test_a_folder_without_a_deployment(tmp_path: Path) -> None:
    """The folder MUST be named, and the other way to run the controller."""
    with pytest.raises(UsageError, match=f"{tmp_path} has no Deployment agent-sandbox-controller; run the"):
        deployment.read(tmp_path, "local/c:1", frozenset())
    assert DEPLOYMENT in deployment.KINDS


def test_the_image_of_a_checkout_has_a_name_that_is_allowed() -> None:
    """A tag MUST hold no plus sign, and tell builds of one version apart."""
    assert deployment.image("v0.5.6+dirty", "0123456789abcdef") == (
        "conformance.invalid/agent-sandbox-controller:v0.5.6-dirty-0123456789ab"
    )
