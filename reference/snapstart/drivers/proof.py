"""The proof that a build process is at its safe point: no artifact without it.

What the process says of itself is one half; the other is what can be seen from outside. Sources: contract
SnapStart, SS-F6, RW-6 to RW-8.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

import aiohttp

from reference.processes import ProcessIdentity
from reference.snapstart.drivers.driver import DriverError, Source
from reference.snapstart.inject.host import Host, InjectionError

#: Most bytes of a status page.
_PAGE_LIMIT: Final = 64 * 1024


@dataclass(frozen=True)
class ProofLimits:
    """How long a build process may take.

    ready_s: seconds until it has loaded everything and says that it is safe.
    page_s: seconds for one answer.
    retries: how often a page that makes no sense is asked for again, after `backoff_s` seconds, doubled each
        time.
    poll_s: seconds between two looks at a process that still loads.
    """

    ready_s: float = 30.0
    page_s: float = 2.0
    retries: int = 3
    backoff_s: float = 0.2
    poll_s: float = 0.05


class NotYetError(Exception):
    """The process has not come to its safe point yet."""


class SenselessError(Exception):
    """The page is not what a status page is, or says what cannot last."""


class Prover:
    """Looks at build processes."""

    def __init__(self, limits: ProofLimits) -> None:
        self._limits = limits

    async def prove(self, source: Source) -> None:
        """Return when the process is at its safe point.

        Raises DriverError, with one of the reasons SourceGone, Contaminated, StatusUnavailable,
        SafePointNotProven.
        """
        try:
            process = ProcessIdentity.of(source.pid)
        except ProcessLookupError as err:
            raise DriverError("SourceGone", f"the build process {source.pid} is not running") from err
        timeout = aiohttp.ClientTimeout(total=self._limits.page_s)
        async with aiohttp.ClientSession(timeout=timeout) as http:
            await self._until_safe(http, source, process)
        if (threads := threads_of(source.pid)) != 1:
            raise DriverError("SafePointNotProven", f"the build process has {threads} threads, not one")
        try:
            async with await Host.connect(source.inject_socket) as host:
                if host.peer_pid != source.pid:
                    why = f"process {host.peer_pid} listens at the inject socket, not {source.pid}"
                    raise DriverError("SafePointNotProven", why)
                await host.capabilities()
        except InjectionError as err:
            raise DriverError("SafePointNotProven", f"the inject socket does not answer: {err}") from err

    async def _until_safe(
        self, http: aiohttp.ClientSession, source: Source, process: ProcessIdentity
    ) -> None:
        limits = self._limits
        deadline = asyncio.get_running_loop().time() + limits.ready_s
        senseless = 0
        while True:
            try:
                return judge(await self._page(http, source.status_url))
            except SenselessError as err:
                if senseless == limits.retries:
                    raise DriverError("StatusUnavailable", f"{source.status_url}: {err}") from err
                wait, why = limits.backoff_s * 2**senseless, str(err)
                senseless += 1
            except NotYetError as err:
                wait, why = limits.poll_s, str(err)
            if not process.alive:
                raise DriverError("SourceGone", f"the build process {source.pid} has ended: {why}")
            if asyncio.get_running_loop().time() + wait > deadline:
                late = f"not at a safe point within {limits.ready_s} s: {why}"
                raise DriverError("SafePointNotProven", late)
            # A page can only be asked for; nothing announces the safe point.
            await asyncio.sleep(wait)

    async def _page(self, http: aiohttp.ClientSession, url: str) -> Mapping[str, Any]:
        try:
            async with http.get(url) as answer:
                data = b""
                while len(data) < _PAGE_LIMIT and (chunk := await answer.content.readany()):
                    data += chunk
        except (aiohttp.ClientConnectionError, TimeoutError) as err:
            raise NotYetError(f"no answer from {url}: {err!r}") from err
        except aiohttp.ClientError as err:
            raise SenselessError(repr(err)) from err
        if answer.status != HTTPStatus.OK:
            raise SenselessError(f"status {answer.status}")
        try:
            page = json.loads(data)
        except (ValueError, RecursionError) as err:
            raise SenselessError(f"not JSON: {data[:80]!r}") from err
        if not isinstance(page, dict):
            raise SenselessError(f"not an object: {data[:80]!r}")
        return page


def threads_of(pid: int) -> int:
    """How many threads a process has; none if it has ended."""
    try:
        return len(os.listdir(f"/proc/{pid}/task"))  # noqa: PTH208 - only counted
    except FileNotFoundError:
        return 0


def judge(page: Mapping[str, Any]) -> None:
    """What a status page comes to: nothing if the process is at its safe point.

    Raises DriverError if it will never be again, NotYetError while it loads, SenselessError for a page that
    says neither.
    """
    details = page.get("details")
    if not isinstance(details, dict) or not isinstance(page.get("safeToSnapshot"), bool):
        raise SenselessError(f"neither safeToSnapshot nor details in {json.dumps(page)[:200]}")
    contaminated = [
        what
        for what, found in (
            ("user state is loaded", page.get("userStateLoaded") is not False),
            (f"{page.get('activeTasks')} tasks are active", page.get("activeTasks") != 0),
            ("the workspace is not empty", details.get("workspaceEmpty") is not True),
        )
        if found
    ]
    if contaminated:
        raise DriverError("Contaminated", f"the build process is contaminated: {', '.join(contaminated)}")
    if details.get("bootstrapComplete") is False:
        raise NotYetError("it still loads")
    if page["safeToSnapshot"] is not True:
        raise SenselessError(f"loaded and not contaminated, but not safe: {json.dumps(page)[:300]}")
