"""Frames of the injection protocol: whole, cut into pieces, too long, and garbage."""

from __future__ import annotations

import json
import struct
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from reference.snapstart.inject.frames import BODY_LIMIT, Decoder, FrameError, encode

TEXT = st.text(st.characters(codec="utf-8"))
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)
BODIES = st.dictionaries(TEXT, VALUES, max_size=5)


def frame(data: bytes) -> bytes:
    """A frame with any bytes as its body."""
    return struct.pack(">I", len(data)) + data


def cut(data: bytes, sizes: list[int]) -> list[bytes]:
    """Pieces of given sizes, and the rest."""
    pieces, at = [], 0
    for size in sizes:
        pieces.append(data[at : at + size])
        at += size
    return [*pieces, data[at:]]


@settings(deadline=None, database=None, max_examples=200)
@given(st.lists(BODIES, max_size=4), st.lists(st.integers(0, 9), max_size=30))
def test_bodies_come_out_as_they_went_in_however_the_stream_is_cut(
    bodies: list[dict[str, Any]], sizes: list[int]
) -> None:
    """Decoding MUST give what was encoded, in order, whatever pieces the bytes come in."""
    decoder = Decoder()
    pieces = cut(b"".join(encode(body) for body in bodies), sizes)
    assert [body for piece in pieces for body in decoder.feed(piece)] == bodies
    assert decoder.empty


@settings(deadline=None, database=None, max_examples=100)
@given(BODIES, st.data())
def test_a_truncated_frame_is_no_frame(body: dict[str, Any], data: st.DataObject) -> None:
    """A frame whose end is missing MUST NOT be taken for one, and MUST be told from the end of a stream."""
    whole = encode(body)
    decoder = Decoder()
    assert list(decoder.feed(whole[: data.draw(st.integers(1, len(whole) - 1))])) == []
    assert not decoder.empty


def test_the_limit_is_4_mib_of_body() -> None:
    """A body of exactly 4 MiB MUST pass, one byte more MUST NOT: neither out nor in."""
    overhead = len(encode({"context": ""})) - 4
    longest = {"context": "x" * (BODY_LIMIT - overhead)}
    assert BODY_LIMIT == 4_194_304
    assert list(Decoder().feed(encode(longest))) == [longest]
    with pytest.raises(FrameError, match="4194305 bytes, more than 4194304"):
        encode({"context": longest["context"] + "x"})
    with pytest.raises(FrameError, match="4194305 bytes is announced, more than 4194304"):
        list(Decoder().feed(struct.pack(">I", BODY_LIMIT + 1)))


def test_an_oversized_frame_is_refused_before_its_body_comes() -> None:
    """The length alone MUST be enough: nobody has to send, or keep, 4 GiB."""
    with pytest.raises(FrameError, match="4294967295 bytes is announced"):
        list(Decoder().feed(b"\xff\xff\xff\xff"))


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        (b"", "not JSON"),
        (b"nonsense", "not JSON"),
        (b'{"type": "COMMIT"', "not JSON"),
        (b'{"type": "\xff"}', "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"1" * 10_000, "not JSON"),
        (b"[]", "a JSON list, not an object"),
        (b'"COMMIT"', "a JSON str, not an object"),
        (b"null", "a JSON NoneType, not an object"),
    ],
)
def test_a_body_that_is_no_json_object_breaks_the_stream(body: bytes, complaint: str) -> None:
    """A frame of anything but a JSON object MUST be an error, and so MUST be all that follows it."""
    decoder = Decoder()
    with pytest.raises(FrameError, match=complaint):
        list(decoder.feed(frame(body)))
    with pytest.raises(FrameError, match="broken before"):
        list(decoder.feed(encode({})))
    assert not decoder.empty


def test_frames_before_the_broken_one_still_count() -> None:
    """What was complete before the garbage MUST have come out."""
    seen = []
    with pytest.raises(FrameError):
        for body in Decoder().feed(encode({"a": 1}) + frame(b"garbage") + encode({"b": 2})):
            seen.append(body)
    assert seen == [{"a": 1}]


@settings(deadline=None, database=None, max_examples=300)
@given(st.binary(max_size=64))
@example(frame(b"[" * 50))
def test_any_bytes_are_bodies_or_an_error(data: bytes) -> None:
    """No bytes MUST lead to anything but objects and FrameError."""
    try:
        for body in Decoder().feed(data):
            assert isinstance(body, dict)
    except FrameError:
        return


@pytest.mark.parametrize("body", [{"x": object()}, {"x": "\ud800"}, {"x": {1, 2}}])
def test_what_cannot_be_written_is_refused(body: dict[str, Any]) -> None:
    """A body that JSON or UTF-8 cannot hold MUST be refused by name."""
    with pytest.raises(FrameError, match="cannot be written as JSON"):
        encode(body)


def test_a_frame_on_the_wire() -> None:
    """The layout MUST be the contract's: four bytes of length, big endian, then UTF-8 JSON."""
    data = encode({"type": "COMMIT", "ü": 1})
    assert data[:4] == b"\x00\x00\x00\x1a"[:3] + bytes([len(data) - 4])
    assert json.loads(data[4:].decode()) == {"type": "COMMIT", "ü": 1}
