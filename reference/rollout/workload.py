"""The workload of actors: a small HTTP server each, whose answers show whose memory and configuration it has.

    python -m reference.rollout.workload < specifications

reads one JSON specification (`Specification`) per line, forks a server for it on a free port of 127.0.0.1,
and answers each with a line {"pid": N, "port": N}. It ends with its input; the servers it made go on. Forking
from a process that has everything loaded takes milliseconds.

A server answers

- `GET` on any path (`/health`, a readiness probe): 200 once it is ready, before that 503;
- `POST /`: an A2A message (JSON-RPC `message/send` or `message/stream`). The answer's `result` repeats its
  text, and `result.metadata` says who answered: `actor_id`, `atespace`, `template`, `hash` (see
  `fingerprint`), `config` (the value of KAGENT_CONFIG_JSON), `boot_count`, `served`. With
  `metadata.stream_for` = S in the message the answer is a stream of server-sent events, one every 0.1 s for S
  seconds, the last of them with `"final": true`;
- `POST /.workload/freeze`: its memory, after which it answers nothing any more: it waits to be killed.

Its memory is `boot_count`, the number of starts of this memory (1: the cold boot), and `served`, the number
of messages it has taken: an actor that is resumed goes on counting, a new one begins where its golden was.

What the workload does at a cold boot is written in its configuration, as `workload-boot=ACTION` in the value
of any environment variable: `fail` ends it, `hang` leaves it not ready for ever, `after:S` makes it ready
after S seconds.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import re
import signal
import socket
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final, NoReturn

FREEZE_PATH: Final = "/.workload/freeze"
CONFIG_VARIABLE: Final = "KAGENT_CONFIG_JSON"

#: Seconds between two events of a stream.
_STREAM_PERIOD: Final = 0.1
#: Seconds between two looks at whether the folder that the server belongs to is still there.
_FOLDER_PERIOD: Final = 5.0
_BOOT: Final = re.compile(r"workload-boot=(fail|hang|after:(\d+(?:\.\d+)?))")


@dataclass(frozen=True)
class Specification:
    """What a server is started with. `memory` is what `freeze` gave, None for a cold boot."""

    actor_id: str
    template: str
    atespace: str = ""
    env: Mapping[str, str] = field(default_factory=dict)
    memory: Mapping[str, int] | None = None
    #: A folder without which the server has no purpose: it ends when the folder is gone.
    folder: str | None = None


def fingerprint(env: Mapping[str, str]) -> str:
    """16 hex digits that stand for all environment variables of a workload.

    The first 8 bytes of sha256 over name and value of each variable, by name, each preceded by its length in
    bytes (8 bytes, big endian).
    """
    digest = hashlib.sha256()
    for name in sorted(env):
        for part in (name.encode(), env[name].encode()):
            digest.update(len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()[:16]


@dataclass(frozen=True)
class Boot:
    """What happens at a cold boot: the server fails, or is ready after some seconds (infinity: never)."""

    fails: bool = False
    ready_after: float = 0.0

    @classmethod
    def of(cls, env: Mapping[str, str]) -> Boot:
        """As the environment says."""
        found = next((match for name in sorted(env) if (match := _BOOT.search(env[name]))), None)
        if found is None:
            return cls()
        if found[1] == "fail":
            return cls(fails=True)
        return cls(ready_after=float("inf") if found[1] == "hang" else float(found[2]))


class Memory:
    """What suspend saves and resume restores. For several threads."""

    def __init__(self, saved: Mapping[str, int] | None) -> None:
        self._lock = threading.Lock()
        self._frozen = False
        self._boot_count = 1 + (saved or {}).get("boot_count", 0)
        self._served = (saved or {}).get("served", 0)

    def take_message(self) -> dict[str, int]:
        """Count one message; the memory as it is then. Never returns once it is frozen."""
        with self._lock:
            if self._frozen:
                _wait_for_the_end()
            self._served += 1
            return self._now()

    def freeze(self) -> dict[str, int]:
        """The memory as it stays."""
        if not self._frozen:
            with self._lock:
                self._frozen = True
        return self._now()

    @property
    def frozen(self) -> bool:
        """Whether it was saved: nothing may be done any more that it would not show."""
        return self._frozen

    def _now(self) -> dict[str, int]:
        return {"boot_count": self._boot_count, "served": self._served}


class Server(ThreadingHTTPServer):
    """The server of one actor, on a socket that listens already."""

    daemon_threads = True

    def __init__(self, listener: socket.socket, specification: Specification, ready_at: float) -> None:
        super().__init__(listener.getsockname(), Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = listener
        self.specification = specification
        self.memory = Memory(specification.memory)
        self.hash = fingerprint(specification.env)
        self._ready_at = ready_at

    @property
    def ready(self) -> bool:
        """Whether the workload has finished its initialisation."""
        return time.monotonic() >= self._ready_at

    def says(self, memory: Mapping[str, int]) -> dict[str, Any]:
        """Who answers."""
        config: Any = self.specification.env.get(CONFIG_VARIABLE)
        if config is not None:
            with contextlib.suppress(ValueError):
                config = json.loads(config)
        return {
            "actor_id": self.specification.actor_id,
            "atespace": self.specification.atespace,
            "template": self.specification.template,
            "hash": self.hash,
            "config": config,
            **memory,
        }

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away in the middle of an answer is none of the server's trouble."""


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    server: Server
    protocol_version = "HTTP/1.1"
    # Buffered, so that headers and body leave in one piece.
    wbufsize = -1
    disable_nagle_algorithm = True

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing is logged: what a request came to is in its answer."""

    def do_GET(self) -> None:
        """Health and readiness probes."""
        status = HTTPStatus.OK if self.server.ready else HTTPStatus.SERVICE_UNAVAILABLE
        self._answer(status, {"ready": status is HTTPStatus.OK})

    def do_POST(self) -> None:
        """A message, or the order to freeze."""
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.path == FREEZE_PATH:
            self._answer(HTTPStatus.OK, self.server.memory.freeze())
            return
        try:
            request = json.loads(body)
            message = request["params"]["message"]
            stream_for = float((message.get("metadata") or {}).get("stream_for") or 0)
        except (ValueError, TypeError, KeyError, AttributeError) as err:
            error = {"code": -32600, "message": f"not an A2A message: {err!r}"}
            self._answer(HTTPStatus.BAD_REQUEST, {"jsonrpc": "2.0", "id": None, "error": error})
            return
        answer = {
            "kind": "message",
            "role": "agent",
            "contextId": message.get("contextId"),
            "parts": message.get("parts", []),
            "metadata": self.server.says(self.server.memory.take_message()),
        }
        if stream_for > 0 or request.get("method") == "message/stream":
            self._stream(request.get("id"), answer, stream_for)
        else:
            self._answer(HTTPStatus.OK, {"jsonrpc": "2.0", "id": request.get("id"), "result": answer})

    def _answer(self, status: HTTPStatus, body: Mapping[str, Any]) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _stream(self, request_id: Any, answer: Mapping[str, Any], seconds: float) -> None:
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        end = time.monotonic() + seconds
        number = 0
        while True:
            left = end - time.monotonic()
            if self.server.memory.frozen:
                _wait_for_the_end()
            result = {**answer, "sequence": number, "final": left <= 0}
            event = json.dumps({"jsonrpc": "2.0", "id": request_id, "result": result})
            data = f"data: {event}\n\n".encode()
            self.wfile.write(b"%x\r\n%b\r\n" % (len(data), data))
            self.wfile.flush()
            if left <= 0:
                break
            time.sleep(min(_STREAM_PERIOD, left))
            number += 1
        self.wfile.write(b"0\r\n\r\n")


def _wait_for_the_end() -> NoReturn:
    """Block this thread until the process is killed."""
    while True:
        threading.Event().wait()


def _end_without(folder: Path) -> None:
    """End the process when a folder is gone."""
    while folder.exists():
        time.sleep(_FOLDER_PERIOD)
    os._exit(0)


def serve(listener: socket.socket, specification: Specification) -> None:
    """Be the workload of one actor, until killed."""
    boot = Boot.of(specification.env) if specification.memory is None else Boot()
    if boot.fails:
        return
    if specification.folder is not None:
        threading.Thread(target=_end_without, args=[Path(specification.folder)], daemon=True).start()
    Server(listener, specification, time.monotonic() + boot.ready_after).serve_forever()


def fork(specification: Specification) -> dict[str, int]:
    """Start a workload in a process and session of its own; its process id and port."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=128)
    pid = os.fork()
    if pid:
        port: int = listener.getsockname()[1]
        listener.close()
        return {"pid": pid, "port": port}
    try:
        os.setsid()
        # Neither the orders nor the answers of the process that forks are this one's.
        null = os.open(os.devnull, os.O_RDWR)
        os.dup2(null, sys.stdin.fileno())
        os.dup2(null, sys.stdout.fileno())
        serve(listener, specification)
    finally:
        os._exit(1)


def main() -> int:
    """Fork workloads as told on standard input."""
    argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    ).parse_args()
    # Whoever forks need not wait for what was forked.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for line in sys.stdin:
        forked = fork(Specification(**json.loads(line)))
        try:
            sys.stdout.write(json.dumps(forked) + "\n")
            sys.stdout.flush()
        except BrokenPipeError:
            # Whoever asked is gone, and nobody else knows of it.
            os.kill(forked["pid"], signal.SIGKILL)
            os._exit(0)
    return 0


if __name__ == "__main__":
    sys.exit(main())
