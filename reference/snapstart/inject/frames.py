"""Frames of the injection protocol: a 4-byte big-endian length, then so many bytes of UTF-8 JSON.

Source: contract SnapStart, section 8 (InjectSocketV1).
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator, Mapping
from typing import Any, Final

#: Most bytes of a body: 4 MiB.
BODY_LIMIT: Final = 4 * 1024 * 1024
_LENGTH: Final = struct.Struct(">I")


class FrameError(Exception):
    """The bytes are no frames of the protocol; nothing that follows can be understood."""


def encode(body: Mapping[str, Any]) -> bytes:
    """One frame. Raises FrameError if the body is longer than `BODY_LIMIT` or cannot be written as JSON."""
    try:
        data = json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode()
    except (TypeError, ValueError, RecursionError) as err:
        raise FrameError(f"the body cannot be written as JSON: {err}") from err
    if len(data) > BODY_LIMIT:
        raise FrameError(f"the body has {len(data)} bytes, more than {BODY_LIMIT}")
    return _LENGTH.pack(len(data)) + data


class Decoder:
    """Frames from bytes as they come, in pieces of any size."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._broken = False

    @property
    def empty(self) -> bool:
        """Whether the bytes so far end with a frame: an end of the stream now cuts none off."""
        return not self._buffer and not self._broken

    def feed(self, data: bytes) -> Iterator[dict[str, Any]]:
        """The bodies that are complete with `data`, in order.

        Raises FrameError, then and ever after: announced length above `BODY_LIMIT` (at once, however many
        bytes follow), not UTF-8, not JSON, not an object.
        """
        self._buffer += data
        while not self._broken:
            body = self._next()
            if body is None:
                return
            yield body
        raise FrameError("the stream was broken before")

    def _next(self) -> dict[str, Any] | None:
        if len(self._buffer) < _LENGTH.size:
            return None
        (length,) = _LENGTH.unpack_from(self._buffer)
        if length > BODY_LIMIT:
            raise self._breaks(f"a frame of {length} bytes is announced, more than {BODY_LIMIT}")
        end = _LENGTH.size + length
        if len(self._buffer) < end:
            return None
        data = bytes(self._buffer[_LENGTH.size : end])
        del self._buffer[:end]
        try:
            body = json.loads(data)
        except (ValueError, RecursionError) as err:
            raise self._breaks(f"a body is not JSON: {err}") from err
        if not isinstance(body, dict):
            raise self._breaks(f"a body is a JSON {type(body).__name__}, not an object")
        return body

    def _breaks(self, why: str) -> FrameError:
        self._broken = True
        self._buffer.clear()
        return FrameError(why)
