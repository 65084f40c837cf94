"""Serves the pages of a session, each connection in a thread."""

from __future__ import annotations

import socket
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

from reference.snapstart.runtime.api import Response, Runtime

#: Most bytes of a request's body.
BODY_LIMIT: Final = 4 * 1024 * 1024
BACKLOG: Final = 128


def bound(address: str, port: int) -> socket.socket:
    """A socket that is bound and does not listen yet: nobody can connect. Raises OSError."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((address, port))
    except OSError:
        listener.close()
        raise
    return listener


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, listener: socket.socket, runtime: Runtime) -> None:
        super().__init__(listener.getsockname(), _Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = listener
        self.runtime = runtime

    def get_request(self) -> tuple[socket.socket, Any]:
        """The next connection."""
        accepted: tuple[socket.socket, Any] = super().get_request()
        self.runtime.accepted()
        return accepted

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away in the middle of an answer is none of the session's trouble."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    # Buffered, so that headers and body leave in one piece.
    wbufsize = -1
    disable_nagle_algorithm = True

    def log_message(self, format: str, *args: Any) -> None:
        """The log belongs to the user's code."""

    def do_GET(self) -> None:
        self._answer(self.server.runtime.respond("GET", self.path, b""))

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal() or int(length) > BODY_LIMIT:
            self.close_connection = True
            status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE if length.isdecimal() else HTTPStatus.LENGTH_REQUIRED
            self._answer(Response(status, {"error": f"a body of at most {BODY_LIMIT} bytes, and its length"}))
            return
        self._answer(self.server.runtime.respond("POST", self.path, self.rfile.read(int(length))))

    def _answer(self, response: Response) -> None:
        self.send_response(response.status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(response.data)))
        self.end_headers()
        self.wfile.write(response.data)


def serve(listener: socket.socket, runtime: Runtime) -> None:
    """Serve on a listening socket from now on, in threads that end with the process."""
    server = _Server(listener, runtime)
    threading.Thread(target=server.serve_forever, name="server", daemon=True).start()
