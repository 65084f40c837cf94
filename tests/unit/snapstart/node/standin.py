"""A program in the place of the runtime: a real process that answers /healthz, and tells how it was started.

What it does wrong is in its environment: STANDIN_DELAY (seconds until it answers, "never"), STANDIN_END (exit
code, at once), STANDIN_CHILDREN (processes that it leaves in its session and below it).
"""

from __future__ import annotations

import argparse
import http.server
import json
import os
import subprocess
import sys
import time


def main() -> int:
    """Serve until killed."""
    parser = argparse.ArgumentParser()
    names = ("mode", "address", "inject-socket", "workspace", "preload", "instance-id", "context", "boot-id")
    for name in names:
        parser.add_argument(f"--{name}", default="")
    parser.add_argument("--port", type=int, required=True)
    arguments = parser.parse_args()
    if "STANDIN_END" in os.environ:
        sys.stderr.write("this is the end\n")
        return int(os.environ["STANDIN_END"])
    if "STANDIN_CHILDREN" in os.environ:
        subprocess.Popen(["sleep", "600"])
        # Out of the session, yet below this process.
        subprocess.Popen(["sleep", "600"], start_new_session=True)
    asked: list[str] = []
    delay = os.environ.get("STANDIN_DELAY", "0")
    time.sleep(600 if delay == "never" else float(delay))
    told = {
        **vars(arguments),
        "pid": os.getpid(),
        "environment": dict(os.environ),
        "cwd": os.getcwd(),  # noqa: PTH109
        "asked": asked,
    }

    class Handler(http.server.BaseHTTPRequestHandler):
        """Answers every GET."""

        def do_GET(self) -> None:
            asked.append(self.path)
            body = json.dumps(told).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Nothing is to be seen of it."""

    http.server.ThreadingHTTPServer((arguments.address, arguments.port), Handler).serve_forever()
    return 0


if __name__ == "__main__":
    sys.exit(main())
