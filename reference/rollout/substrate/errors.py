"""How an operation of ate-api fails."""

from __future__ import annotations

import grpc


class RefusedError(Exception):
    """An operation that ends with a status of its own. Its text is part of the contract (section 8)."""

    def __init__(self, code: grpc.StatusCode, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text


class InternalError(Exception):
    """An operation that ends with INTERNAL: callers learn nothing more, the log does."""


def invalid(text: str) -> RefusedError:
    """A request that is wrong in itself."""
    return RefusedError(grpc.StatusCode.INVALID_ARGUMENT, text)


def missing(text: str) -> RefusedError:
    """What the request names is not there."""
    return RefusedError(grpc.StatusCode.NOT_FOUND, text)


def precondition(text: str) -> RefusedError:
    """The request is right, but not now."""
    return RefusedError(grpc.StatusCode.FAILED_PRECONDITION, text)


def exists(text: str) -> RefusedError:
    """What should be created is there."""
    return RefusedError(grpc.StatusCode.ALREADY_EXISTS, text)


def aborted(text: str) -> RefusedError:
    """Another operation was quicker: try again."""
    return RefusedError(grpc.StatusCode.ABORTED, text)
