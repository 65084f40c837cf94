"""What keeps an agent's config from becoming a template, in words for its user."""

from __future__ import annotations

import grpc.aio
import httpx2
from lightkube import ApiError

from reference.rollout.reflection import ReflectionError

#: What the API server and ate-api raise, refusing or out of reach.
SERVER_ERRORS = (httpx2.HTTPError, grpc.aio.AioRpcError, ReflectionError)


class NotAccepted(Exception):  # noqa: N818  reads as the condition it becomes
    """The config cannot be applied as it is; the text is the message of condition Accepted."""


class NotYet(Exception):  # noqa: N818
    """What has the name of something wanted is on its way out; `str()` is the name."""


def in_words(err: Exception) -> str:
    """An error as a user should read it: what a server said, or what went wrong on the way there."""
    if isinstance(err, ApiError):
        return f"API server: {err.status.message or err}"
    if isinstance(err, httpx2.HTTPError):
        return f"API server not reached: {type(err).__name__}: {err}"
    if isinstance(err, grpc.aio.AioRpcError):
        return f"ate-api: {err.code().name}: {err.details()}"
    return str(err)


def is_conflict(err: Exception) -> bool:
    """Whether somebody else wrote first: no user has to act on it, the next pass sees what they wrote."""
    return isinstance(err, ApiError) and err.response.status_code == 409
