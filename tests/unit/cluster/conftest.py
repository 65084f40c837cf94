"""Folders of one's own, and processes that end with their test."""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml

from fixtures.processes import MARK, ProcessRecord, start_detached
from fixtures.testbed import Settings

#: Seconds for what happens at once, also on a busy machine.
SOON = 20.0


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """State and cache lie in the test's own folder; returns the one of the clusters."""
    for name in list(os.environ):
        if name.startswith("ASC_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("ASC_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("ASC_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "state" / "clusters"


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., ProcessRecord]]:
    """Starts Python programs that are killed after the test; `marked` as those of a cluster's folder."""
    started: list[ProcessRecord] = []

    def run(
        code: str = "import time; time.sleep(600)", *arguments: str, marked: Path | None = None
    ) -> ProcessRecord:
        command = [sys.executable, "-S", "-c", code, *arguments]
        started.append(
            start_detached(
                command,
                tmp_path / "process.log",
                environment=os.environ | ({MARK: str(marked)} if marked else {}),
            )
        )
        return started[-1]

    yield run
    for record in started:
        record.end(0)


@pytest.fixture
def settings(tmp_path: Path) -> Callable[..., Settings]:
    """Settings of a run `unit`, with the given changes."""
    from fixtures.limits import Limits

    def make(**changes: object) -> Settings:
        given = {"run_id": "unit", "artifacts": tmp_path / "artifacts", "limits": Limits()}
        return Settings(**(given | changes))  # type: ignore[arg-type]

    return make


def kubeconfig(path: Path, port: int, *contexts: str, current: str = "") -> Path:
    """A kubeconfig with these contexts, all of one server."""
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "c", "cluster": {"server": f"http://127.0.0.1:{port}"}}],
        "users": [{"name": "u", "user": {}}],
        "contexts": [{"name": name, "context": {"cluster": "c", "user": "u"}} for name in contexts],
        "current-context": current,
    }
    path.write_text(yaml.safe_dump(content))
    return path


#: What the API server says of a node that takes Pods.
READY_NODE = {"status": {"conditions": [{"type": "Ready", "status": "True"}]}}


@pytest.fixture
def lease() -> dict[str, str]:
    """The spec of the Leases of scheduler and controller manager, for the test to change: nobody leads."""
    return {}


@pytest.fixture
def api_server(lease: dict[str, str]) -> Iterator[int]:
    """The port of a server that answers like a cluster of two nodes, and takes what is created."""
    namespace = {"metadata": {"name": "kube-system", "uid": "uid-of-the-cluster"}}
    replies = {
        "/version": {"gitVersion": "v1.36.3"},
        "/api/v1/namespaces/kube-system": namespace,
        "/api/v1/nodes": {
            "items": [READY_NODE | {"metadata": {"name": "a"}}, READY_NODE | {"metadata": {"name": "b"}}]
        },
        "/readyz": {},
        "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/kube-scheduler": {"spec": lease},
        "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/kube-controller-manager": {"spec": lease},
    }

    class Handler(BaseHTTPRequestHandler):
        def reply(self, body: object) -> None:
            content = json.dumps(body).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def do_GET(self) -> None:
            self.reply(replies[self.path])

        def do_POST(self) -> None:
            self.reply(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

        def do_DELETE(self) -> None:
            self.reply({})

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


def eventually(what: Callable[[], bool]) -> None:
    """Return once it is true. Fails if it does not become so soon."""
    deadline = time.monotonic() + SOON
    pause = threading.Event()
    while not what():
        assert time.monotonic() < deadline, "never happened"
        pause.wait(0.01)
