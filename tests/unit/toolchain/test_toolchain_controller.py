"""What `--controller` may say, and which CRDs go with it."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from fixtures.errors import StartError, UsageError
from fixtures.toolchain import Toolchain, buildinfo
from fixtures.toolchain.cache import MANIFEST

MODULE = "sigs.k8s.io/agent-sandbox"


def go_binary(path: Path, module_line: str, *, before: int = 0) -> Path:
    """A file that carries Go's build information, `before` 16-byte blocks from its start."""
    text = f"path\t{MODULE}/cmd/x\n{module_line}\ndep\texample.test/dep\tv1.0.0\th1:=\n"
    modules = b"0" * 16 + text.encode() + b"1" * 16
    header = buildinfo.MAGIC + bytes([8, buildinfo.INLINE]) + bytes(16)
    body = header + bytes([8]) + b"go1.26.8" + _length(modules) + modules
    # The magic also occurs in the text of tools that look for it: there it is not aligned or not inline.
    decoy = b"x" + buildinfo.MAGIC + bytes([8, buildinfo.INLINE]) + bytes(15)
    path.write_bytes(decoy.ljust(16 * (before + 3), b"\0") + body)
    path.chmod(0o755)
    return path


def _length(data: bytes) -> bytes:
    return bytes([len(data) & 0x7F | 0x80, len(data) >> 7])


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout of the controller, as far as the toolchain looks at it."""
    root = tmp_path / "checkout"
    (root / "cmd" / "agent-sandbox-controller").mkdir(parents=True)
    (root / "k8s" / "crds").mkdir(parents=True)
    (root / "k8s" / "crds" / "sandboxes.yaml").write_text("kind: CustomResourceDefinition # tree")
    (root / "go.mod").write_text(f"module {MODULE}\n\ngo 1.26.0\n")
    (root / "main.go").write_text("one")
    return root


def test_version_comes_with_its_crds(toolchain: Toolchain) -> None:
    """The CRDs MUST be those of the same module version, in the same checked entry."""
    build = toolchain.controller("v0.5.3")

    assert (build.version, build.origin) == ("v0.5.3", "build")
    assert [file.name for file in build.crds.iterdir()] == ["sandboxes.yaml"]
    assert f"{MODULE}@v0.5.3" in (build.crds / "sandboxes.yaml").read_text()
    assert toolchain.controller("v0.5.3").origin == "cache"

    (build.crds / "sandboxes.yaml").write_text("edited")
    assert toolchain.controller("v0.5.3").origin == "build"


def test_given_binary_says_its_version(toolchain: Toolchain, tmp_path: Path, machine: Any) -> None:
    """For a released binary the CRDs of the version it was built from are taken, without a build."""
    path = go_binary(tmp_path / "mine", f"mod\t{MODULE}\tv0.5.3\th1:=", before=5)

    build = toolchain.controller(f"path:{path}")

    assert (build.version, build.origin, build.path) == ("v0.5.3", "user", path)
    assert f"{MODULE}@v0.5.3" in (build.crds / "sandboxes.yaml").read_text()
    assert machine.calls("build") == []
    assert toolchain.controller(f"path:{path}") == build
    assert len(machine.calls("mod")) == 1


@pytest.mark.parametrize("line", ["mod\tsigs.k8s.io/agent-sandbox\t(devel)\t", "mod\tother\tv1.0.0\th1:="])
def test_unknown_binary_needs_crds(toolchain: Toolchain, tmp_path: Path, line: str) -> None:
    """A binary that does not say its release MUST come with --crds; with it, it is used."""
    path = go_binary(tmp_path / "mine", line)

    with pytest.raises(UsageError, match=r"does not say which release it is .* pass --crds DIR"):
        toolchain.controller(f"path:{path}")

    crds = tmp_path / "crds"
    crds.mkdir()
    with pytest.raises(UsageError, match=r"holds no \*.yaml"):
        toolchain.controller(f"path:{path}", crds)
    (crds / "a.yaml").write_text("a")
    build = toolchain.controller(f"path:{path}", crds)
    assert (build.version, build.crds) == ("unknown", crds)


def test_files_without_build_information(tmp_path: Path) -> None:
    """A script, a short file and a cut-off block have no build information; none of them is an error."""
    whole = go_binary(tmp_path / "whole", "mod\tm\tv1.0.0\th1:=")
    assert buildinfo.read(whole) == buildinfo.BuildInfo(
        "go1.26.8", f"{MODULE}/cmd/x", {"m": "v1.0.0", "example.test/dep": "v1.0.0"}
    )
    for name, content in {
        "script": b"#!/bin/sh\n" * 9,
        "short": b"x",
        "cut": whole.read_bytes()[:82],
    }.items():
        (tmp_path / name).write_bytes(content)
        assert buildinfo.read(tmp_path / name) is None, name


def test_checkout_is_built_each_time_and_only_read(
    toolchain: Toolchain, checkout: Path, machine: Any
) -> None:
    """Every use builds (Go knows what changed); a changed tree is a new entry; the tree stays as it is."""
    before = {path: path.stat().st_mtime_ns for path in checkout.rglob("*")}
    first = toolchain.controller(f"src:{checkout}")
    same = toolchain.controller(f"src:{checkout}")
    assert {path: path.stat().st_mtime_ns for path in checkout.rglob("*")} == before
    (checkout / "main.go").write_text("two")
    changed = toolchain.controller(f"src:{checkout}")

    assert first == same
    assert first.version.startswith("v0.0.0-src-")
    assert (first.path.read_text(), changed.path.read_text()) == ("one", "two")
    assert "# tree" in (first.crds / "sandboxes.yaml").read_text()
    assert len(machine.calls("build")) == 3
    assert machine.calls("build")[0].endswith(" ./cmd/agent-sandbox-controller")


def test_old_checkout_builds_are_removed(toolchain: Toolchain, checkout: Path) -> None:
    """A developer's builds do not pile up: a day after its last use a build goes; releases stay."""
    release = toolchain.controller("v0.5.6")
    builds = []
    for state in ("one", "two", "three"):
        (checkout / "main.go").write_text(state)
        builds.append(toolchain.controller(f"src:{checkout}"))
    for build in (release, builds[0], builds[1]):
        os.utime(build.path.parent / MANIFEST, (0, 0))

    (checkout / "main.go").write_text("two")
    toolchain.controller(f"src:{checkout}")

    assert [build.path.exists() for build in builds] == [False, True, True]
    assert release.path.exists()


def test_checkout_is_named_as_git_names_it(
    toolchain: Toolchain, checkout: Path, machine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a repository the version says the commit, and that the tree is dirty."""
    git_path = shutil.which("git", path="/usr/local/bin:/usr/bin:/bin")
    if git_path is None:
        pytest.skip("no git here; without it a checkout is named by its content")
    (machine.path.parent / "git").symlink_to(git_path)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.test"]

    def git(*arguments: str) -> None:
        subprocess.run(["git", "-C", str(checkout), *arguments], check=True, capture_output=True)

    git("init", "-q")
    git("add", ".")
    git(*identity, "commit", "-qm", "x")
    git(*identity, "tag", "v0.5.6")

    clean = toolchain.controller(f"src:{checkout}")
    (checkout / "main.go").write_text("two")
    dirty = toolchain.controller(f"src:{checkout}")

    assert clean.version.startswith("v0.0.0-src-v0.5.6-")
    assert dirty.version.startswith("v0.0.0-src-v0.5.6-dirty-")


def test_checkout_without_crds(toolchain: Toolchain, checkout: Path, tmp_path: Path) -> None:
    """A tree without CRDs is an error that names the directory, unless --crds gives them."""
    (checkout / "k8s" / "crds" / "sandboxes.yaml").unlink()

    with pytest.raises(
        StartError, match=r"there are no \*.yaml files in .*k8s/crds; for CRDs pass --crds DIR"
    ):
        toolchain.controller(f"src:{checkout}")

    (tmp_path / "a.yaml").write_text("a")
    assert toolchain.controller(f"src:{checkout}", tmp_path).crds == tmp_path


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("banana", "'banana' is not a version of agent-sandbox-controller. Versions are written vX.Y.Z; "),
        ("0.5.6", "'0.5.6' is not a version of agent-sandbox-controller (did you mean 'v0.5.6'?)"),
        ("v0.5", "(did you mean 'v0.5.6'?)"),
        ("", "'' is not a version"),
        (
            "pth:/bin/sh",
            "controller 'pth:/bin/sh' is not understood: write v0.5.6 (or another version), path:",
        ),
        ("path:", "controller 'path:' is not understood"),
        ("pod:x", "controller 'pod:x' is not understood"),
        ("image:", "controller 'image:' is not understood"),
        ("image:x", "controller 'image:x' does not say of which release it is, so its CRDs, RBAC and flags"),
        ("image:x:latest", "write image:x:latest@vX.Y.Z, for example @v0.5.6"),
        ("image:host:5000/x", "write image:host:5000/x@vX.Y.Z"),
        ("image:x@0.5.6", "did you mean 'v0.5.6'?"),
        ("image:X y@v0.5.6", "'X y' is no name of an image"),
        ("image:x@v0.5.6", "the controller image x runs in a cluster only"),
        ("installed", "already in the cluster"),
        ("path:/missing/deep/file", "/missing/deep/file does not exist; of that path only / exists"),
        ("path:{tmp}/mime", "{tmp}/mime does not exist; did you mean {tmp}/mine?"),
        ("path:{tmp}", "{tmp} is not a file"),
        ("path:{tmp}/mine", "{tmp}/mine cannot be read and run; `chmod +rx {tmp}/mine`"),
        ("src:{tmp}/mine", "{tmp}/mine is not a directory; give the root of a checkout of sigs.k8s.io/"),
        ("src:{tmp}", "there is no go.mod in {tmp}"),
        ("src:{tmp}/other", "go.mod is of example.test/other, not of sigs.k8s.io/agent-sandbox"),
        ("src:{tmp}/part", "{tmp}/part has no cmd/agent-sandbox-controller"),
    ],
)
def test_bad_specs(toolchain: Toolchain, tmp_path: Path, machine: Any, spec: str, says: str) -> None:
    """A spec that cannot be right MUST be refused at once, naming the value and the nearest good one."""
    (tmp_path / "mine").write_text("x")
    for name, module in {"other": "example.test/other", "part": MODULE}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "go.mod").write_text(f"module {module}\n")

    with pytest.raises(UsageError) as caught:
        toolchain.controller(spec.format(tmp=tmp_path))

    assert says.format(tmp=tmp_path) in str(caught.value)
    assert machine.text("log") == ""


class TestImages:
    """`--controller image:REF`."""

    @pytest.mark.parametrize(
        ("spec", "reference", "version"),
        [
            ("image:x:1@v0.5.3", "x:1", "v0.5.3"),
            ("image:host:5000/a/x:v0.5.3", "host:5000/a/x:v0.5.3", "v0.5.3"),
            ("image:host:5000/x:v0.5.5@v0.5.3", "host:5000/x:v0.5.5", "v0.5.3"),
            (f"image:a/x@sha256:{'0' * 64}@v0.5.3", f"a/x@sha256:{'0' * 64}", "v0.5.3"),
            (f"image:a/x:v0.5.3@sha256:{'0' * 64}", f"a/x:v0.5.3@sha256:{'0' * 64}", "v0.5.3"),
            ("v0.5.3", "registry.k8s.io/agent-sandbox/agent-sandbox-controller:v0.5.3", "v0.5.3"),
        ],
    )
    def test_what_belongs_to_an_image(
        self, toolchain: Toolchain, machine: Any, spec: str, reference: str, version: str
    ) -> None:
        """CRDs and manifests MUST be those of the release that is named, and nothing be built."""
        image = toolchain.controller_image(spec)

        assert (image.reference, image.version) == (reference, version)
        assert f"{MODULE}@{version}" in (image.crds / "sandboxes.yaml").read_text()
        assert f"{MODULE}@{version}" in (image.manifests / "controller.yaml").read_text()
        assert machine.calls("build") == []

    def test_crds_of_ones_own(self, toolchain: Toolchain, tmp_path: Path) -> None:
        """--crds MUST replace those of the release."""
        (tmp_path / "a.yaml").write_text("a")

        assert toolchain.controller_image("image:x@v0.5.3", tmp_path).crds == tmp_path

    def test_a_program_is_no_image(self, toolchain: Toolchain, tmp_path: Path) -> None:
        """Where nodes pull from registries only, a binary MUST be refused with the way to go."""
        path = go_binary(tmp_path / "mine", f"mod\t{MODULE}\tv0.5.3\th1:=")

        with pytest.raises(UsageError, match=r"is in no registry.* push an image of it and write image:REF@"):
            toolchain.controller_image(f"path:{path}")


class TestManifests:
    """How upstream deploys the controller."""

    def test_those_of_a_release(self, toolchain: Toolchain) -> None:
        """They MUST be those of the version, also where its binary was built before, without the CRDs."""
        toolchain.controller("v0.5.3")

        folder = toolchain.manifests("v0.5.3")

        assert [file.name for file in folder.iterdir()] == ["controller.yaml"]
        assert f"{MODULE}@v0.5.3" in (folder / "controller.yaml").read_text()
        assert toolchain.manifests("v0.5.3") == folder

    def test_those_of_a_checkout(self, toolchain: Toolchain, checkout: Path) -> None:
        """A checkout's own MUST be taken, as they are now."""
        assert toolchain.manifests(f"src:{checkout}") == checkout / "k8s"

    def test_those_of_a_binary(self, toolchain: Toolchain, tmp_path: Path) -> None:
        """A binary's MUST be those of its release; one that does not say its release has none."""
        known = go_binary(tmp_path / "known", f"mod\t{MODULE}\tv0.5.3\th1:=")
        unknown = go_binary(tmp_path / "unknown", f"mod\t{MODULE}\t(devel)\t")

        assert toolchain.manifests(f"path:{known}") == toolchain.manifests("v0.5.3")
        with pytest.raises(UsageError, match=f"{unknown} does not say which release it is, so its Deploy"):
            toolchain.manifests(f"path:{unknown}")


def test_a_program_of_ones_own(toolchain: Toolchain, machine: Any, tmp_path: Path) -> None:
    """It MUST be built once for its source, and again when the source has changed."""
    source = tmp_path / "tool"
    source.mkdir()
    (source / "go.mod").write_text("module conformance.invalid/tool\n\ngo 1.24\n")
    (source / "main.go").write_text("one")

    first = toolchain.program(source)
    again = toolchain.program(source)
    (source / "main.go").write_text("two")
    changed = toolchain.program(source)

    assert (first.origin, again.origin, changed.origin) == ("build", "cache", "build")
    assert (first.path.read_text(), changed.path.read_text()) == ("one", "two")
    assert first.version != changed.version
