"""versions.toml says all that is needed, and names that are not in it are refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from fixtures.errors import UsageError
from fixtures.toolchain import Toolchain
from fixtures.toolchain.versions import VERSION, Recipe, load

PINS = load()
RECIPES = [*PINS.tools.values(), PINS.controller]


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)
def test_every_tool_has_a_way(recipe: Recipe) -> None:
    """Each tool names its module and either a release with a published checksum or why there is none."""
    assert VERSION.fullmatch(recipe.version)
    assert recipe.package.startswith(recipe.path or recipe.module)
    assert "{" not in recipe.filled(recipe.ldflags)
    if recipe.no_download:
        assert (recipe.url, recipe.checksum) == ("", "")
    else:
        assert recipe.filled(recipe.url, "linux", "amd64").startswith("https://")
        assert recipe.checksum.startswith("https://")
        assert recipe.platforms


def test_the_tools() -> None:
    """These are the tools that some run needs."""
    assert sorted(PINS.tools) == [
        "ateapi",
        "atecontroller",
        "coredns",
        "etcd",
        "kind",
        "kube-apiserver",
        "kube-controller-manager",
        "kube-proxy",
        "kube-scheduler",
        "kubeadm",
        "kubectl",
        "kubelet",
        "kwok",
        "kwokctl",
    ]
    assert PINS.controller.version in PINS.controller.known


def test_kubernetes_flags_carry_the_version() -> None:
    """The API server reports the version it was built as, also one the user names."""
    flags = PINS.tool("kube-apiserver").at("v1.35.12").filled(PINS.tool("kube-apiserver").ldflags)
    assert flags == (
        "-s -w -X k8s.io/component-base/version.gitVersion=v1.35.12"
        " -X k8s.io/component-base/version.gitMajor=1 -X k8s.io/component-base/version.gitMinor=35"
    )


@pytest.mark.parametrize("name", ["ateapi", "atecontroller"])
def test_every_known_version_of_substrate_is_pinned(name: str) -> None:
    """The checksum database does not know the fork: each version MUST bring the hashes of its own."""
    recipe = PINS.tool(name)
    assert sorted(recipe.sums) == sorted(recipe.known)
    for version in recipe.known:
        assert [line.split()[:2] for line in recipe.at(version).go_sum.splitlines()] == [
            [recipe.module, version],
            [recipe.module, f"{version}/go.mod"],
        ]


def test_known_versions_are_told_for_an_unknown_one() -> None:
    """The advice names versions that work, never the one that was asked for."""
    assert PINS.tool("kube-apiserver").at("v1.99.0").known_good == PINS.tool("kube-apiserver").version
    assert "v9.9.9" not in PINS.controller.at("v9.9.9").known_good


def test_unknown_tools_and_versions_are_refused(tmp_path: Path) -> None:
    """A name or version that is not one MUST be refused with the nearest good one."""
    with pytest.raises(UsageError, match=r"unknown tool 'kube-apisever'; did you mean 'kube-apiserver'\?"):
        Toolchain({"kube-apisever": tmp_path})
    with pytest.raises(UsageError, match="unknown tool 'x'; known tools: ateapi atecontroller coredns"):
        Toolchain(cache_dir=tmp_path).tool("x")
    with pytest.raises(
        UsageError, match=r"'1.36.3' is not a version of kube-apiserver \(did you mean 'v1.36.3'"
    ):
        Toolchain(cache_dir=tmp_path).tool("kube-apiserver", "1.36.3")
    missing = tmp_path / "etcd"
    with pytest.raises(UsageError, match=f"the binary given for etcd: {missing} does not exist"):
        Toolchain({"etcd": missing}, tmp_path).tool("etcd")
