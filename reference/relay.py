"""Passing an HTTP request on to where it belongs, and the answer back as it comes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import aiohttp
from aiohttp import web
from multidict import CIMultiDict
from yarl import URL

#: Headers of one connection, not of the message (RFC 9110, section 7.6.1), and those that the client writes.
_NOT_PASSED_ON: Final = frozenset(
    ("connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "content-length", "host")
)


async def relay(
    request: web.Request,
    session: aiohttp.ClientSession,
    url: URL | str,
    headers: Mapping[str, str] | None = None,
) -> web.StreamResponse:
    """Send a request to `url`, with further headers, and give back its answer, once it has ended.

    An answer that breaks off is cut for the client, too: it must not look as if it were whole. Raises
    aiohttp.ClientError where none begins.
    """
    body = await request.read()
    passed_on = _passed_on(request.headers)
    passed_on.update(headers or {})
    async with session.request(
        request.method,
        url,
        headers=passed_on,
        data=body,
        allow_redirects=False,
        auto_decompress=False,
    ) as upstream:
        response = web.StreamResponse(status=upstream.status, headers=_passed_on(upstream.headers))
        response.content_length = upstream.content_length
        await response.prepare(request)
        try:
            async for data in upstream.content.iter_any():
                await response.write(data)
            await response.write_eof()
        except (aiohttp.ClientError, ConnectionError):
            if request.transport is not None:
                request.transport.abort()
        return response


def _passed_on(headers: Mapping[str, str]) -> CIMultiDict[str]:
    return CIMultiDict((key, value) for key, value in headers.items() if key.lower() not in _NOT_PASSED_ON)
