"""Readiness: whether a process has answered GET /healthz, or another page that sessions are asked for."""

from __future__ import annotations

from types import TracebackType
from typing import Final, Self

import aiohttp

#: The path that says that the entrypoint serves.
PATH: Final = "/healthz"
#: Seconds until an answer is given up.
_TIMEOUT: Final = 1.0
#: Seconds between two questions of the node to any of its processes: what waits longer is asked less often.
_PERIOD: Final = 0.005


class Prober:
    """Asks processes that have not answered yet, all of them together at most every 5 ms.

    `session_page` is what sessions are asked for, in the place of PATH.
    """

    def __init__(self, session_page: str = PATH) -> None:
        self._session_page = session_page
        self._asked: set[str] = set()
        self._session: aiohttp.ClientSession

    async def __aenter__(self) -> Self:
        timeout = aiohttp.ClientTimeout(total=_TIMEOUT)
        # A connection is used once: the process at its other end may not be there for the next question.
        connector = aiohttp.TCPConnector(limit=0, force_close=True)
        self._session = aiohttp.ClientSession(timeout=timeout, connector=connector)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()

    @property
    def pause(self) -> float:
        """Seconds until the next question to one of those that have not answered."""
        return _PERIOD * max(1, len(self._asked))

    async def answers(self, uid: str, address: str, port: int, *, session: bool) -> bool:
        """Whether a process answers 200 now."""
        self._asked.add(uid)
        page = self._session_page if session else PATH
        try:
            async with self._session.get(f"http://{address}:{port}{page}") as response:
                if response.status != 200:
                    return False
        except (aiohttp.ClientError, OSError):
            return False
        self._asked.discard(uid)
        return True

    def forget(self, uid: str) -> None:
        """Its Pod is gone."""
        self._asked.discard(uid)
