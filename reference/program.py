"""What programs of references have in common: JSON logs, /healthz and /metrics, addresses, an orderly end.

def main() -> int:
    arguments = parser.parse_args()
    log_as_json()
    return run(serve(arguments))
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import datetime
import errno
import json
import logging
import signal
import ssl
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Final, Self

import tenacity
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

#: Seconds for which a program waits for an address that is in use.
IN_USE_LIMIT: Final = 5.0
#: Attributes that every log record has; what else it has was given as `extra`.
_USUAL: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class JsonLines(logging.Formatter):
    """One JSON object per record: time (RFC 3339, UTC), level, logger, message, and whatever `extra` adds."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line."""
        at = datetime.datetime.fromtimestamp(record.created, datetime.UTC)
        line: dict[str, Any] = {
            "time": at.isoformat(timespec="microseconds").replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        line |= {key: value for key, value in vars(record).items() if key not in _USUAL}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


def log_as_json(level: int = logging.INFO) -> None:
    """Send all logs to stderr as JSON lines."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    # One line for every request of the Kubernetes client is more than anybody reads.
    logging.getLogger("httpx2").setLevel(logging.WARNING)


@dataclass(frozen=True)
class Address:
    """Where a program listens or connects to."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """From `host:port`, for argparse."""
        host, colon, port = text.rpartition(":")
        if not colon or not host or not port.isdigit() or int(port) > 65535:
            raise argparse.ArgumentTypeError(f"{text!r} is not host:port")
        return cls(host, int(port))

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


async def until_free(bind: Callable[[], Awaitable[None]], limit: float = IN_USE_LIMIT) -> None:
    """Bind to an address, and again while it is in use, for `limit` seconds. Raises OSError.

    A program that is killed while it starts a child leaves its sockets to that, until the child executes what
    it is to be: whoever starts the program anew would fail, although the address is free in a moment.
    """
    retry = tenacity.AsyncRetrying(
        stop=tenacity.stop_after_delay(limit),
        wait=tenacity.wait_fixed(0.02),
        retry=tenacity.retry_if_exception(_is_in_use),
        reraise=True,
    )
    async for attempt in retry:
        with attempt:
            await bind()


def _is_in_use(error: BaseException) -> bool:
    return isinstance(error, OSError) and error.errno == errno.EADDRINUSE


@contextlib.asynccontextmanager
async def listening(
    application: web.Application, address: Address, tls: ssl.SSLContext | None = None
) -> AsyncIterator[None]:
    """Serve an application while the body runs; on leaving, connections are closed at once.

    A handler whose client hangs up is cancelled. Raises as `until_free` does.
    """
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.2, handler_cancellation=True)
    await runner.setup()
    try:
        await until_free(lambda: web.TCPSite(runner, address.host, address.port, ssl_context=tls).start())
        yield
    finally:
        await runner.cleanup()


def status_pages(healthy: Callable[[], bool], registry: CollectorRegistry) -> web.Application:
    """/healthz: 200 while `healthy()`, else 503. /metrics: the registry in Prometheus text form."""

    async def healthz(_request: web.Request) -> web.Response:
        return web.Response(text="ok\n") if healthy() else web.Response(status=503, text="not ready\n")

    async def metrics(_request: web.Request) -> web.Response:
        return web.Response(body=generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    application = web.Application()
    application.add_routes([web.get("/healthz", healthz), web.get("/metrics", metrics)])
    return application


def run(program: Coroutine[Any, Any, None]) -> int:
    """Run a program until it ends, or SIGTERM or SIGINT cancels it. The exit code: 0, or 1 after an error."""

    async def guarded() -> None:
        task = asyncio.ensure_future(program)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, task.cancel)
        with contextlib.suppress(asyncio.CancelledError):
            await task

    try:
        asyncio.run(guarded())
    except Exception:
        logging.getLogger(__name__).exception("ended by an error")
        return 1
    return 0
