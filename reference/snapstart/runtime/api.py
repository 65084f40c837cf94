"""The pages of a runtime, whatever they are served by.

GET  /healthz          200 once it has loaded (in mode build) or serves, 503 before
GET  /runtime/status   whether it may be captured: see `Runtime.status`
GET  /witness          who it is: see `witness`
POST /execute          {"code": "..."} runs code: {"stdout", "result", "error"}; 425 where there is no session
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

from reference.snapstart.inject.machine import RuntimeSide
from reference.snapstart.runtime.boot import Boot
from reference.snapstart.runtime.session import Session
from reference.snapstart.runtime.witness import Start, witness


@dataclass(frozen=True)
class Response:
    """What a request is answered with: always JSON."""

    status: HTTPStatus
    body: Mapping[str, Any]

    @property
    def data(self) -> bytes:
        """The body as it is sent."""
        return json.dumps(self.body).encode()


class Runtime:
    """The state of this process, as its pages show it."""

    def __init__(self, mode: str, workspace: Path) -> None:
        self.mode = mode
        self.workspace = workspace
        self.boot: Boot | None = None
        #: In mode build, from the safe point on.
        self.side: RuntimeSide | None = None
        self.start: Start | None = None
        self.session: Session | None = None
        #: When the session accepted its first connection, by the host's CLOCK_MONOTONIC.
        self.accepted_ns: int | None = None

    @property
    def healthy(self) -> bool:
        """Whether the entrypoint has done its work."""
        return self.session is not None or (self.mode == "build" and self.side is not None)

    @property
    def safe(self) -> bool:
        """Whether it may be captured."""
        found: bool = self.status()["safeToSnapshot"]
        return found

    def status(self) -> dict[str, Any]:
        """Whether it may be captured, and all that this depends on."""
        waits = self.side is not None and self.session is None
        touched = self.session is not None or (self.side is not None and self.side.touched)
        active = self.session.active_tasks if self.session is not None else 0
        threads = len(os.listdir("/proc/self/task"))  # noqa: PTH208 - twice as fast, and asked often
        empty = _is_empty(self.workspace)
        return {
            "safeToSnapshot": waits and not touched and not active and empty and threads == 1,
            "userStateLoaded": touched,
            "activeTasks": active,
            "details": {
                "bootstrapComplete": self.boot is not None,
                "injectSocketListening": waits,
                "threads": threads,
                "workspaceEmpty": empty,
            },
        }

    def accepted(self) -> None:
        """The session has accepted a connection."""
        if self.accepted_ns is None and self.start is not None:
            self.accepted_ns = time.monotonic_ns() + self.start.behind_ns

    def respond(self, method: str, path: str, body: bytes) -> Response:
        """What a request is answered with."""
        match method, path.partition("?")[0]:
            case "GET", "/healthz":
                ready = HTTPStatus.OK if self.healthy else HTTPStatus.SERVICE_UNAVAILABLE
                return Response(ready, {"ready": self.healthy})
            case "GET", "/runtime/status":
                return Response(HTTPStatus.OK, self.status())
            case "GET", "/witness":
                return Response(HTTPStatus.OK, witness(self.boot, self.start, self.mode, self.accepted_ns))
            case "POST", "/execute":
                return self.execute(body)
            case _, "/healthz" | "/runtime/status" | "/witness" | "/execute":
                return Response(HTTPStatus.METHOD_NOT_ALLOWED, {"error": f"not with {method}"})
        return Response(HTTPStatus.NOT_FOUND, {"error": f"there is no {path}"})

    def execute(self, body: bytes) -> Response:
        """Run code, if there is a session."""
        if self.session is None:
            return Response(HTTPStatus.TOO_EARLY, {"error": "there is no session yet"})
        try:
            code = json.loads(body)["code"]
        except (ValueError, TypeError, KeyError, RecursionError) as err:
            return Response(HTTPStatus.BAD_REQUEST, {"error": f'not {{"code": "..."}}: {err!r}'})
        if not isinstance(code, str):
            return Response(HTTPStatus.BAD_REQUEST, {"error": "the code is not a string"})
        return Response(HTTPStatus.OK, asdict(self.session.execute(code)))


def _is_empty(folder: Path) -> bool:
    """Whether there is a folder, and nothing in it."""
    try:
        return not any(folder.iterdir())
    except OSError:
        return False
