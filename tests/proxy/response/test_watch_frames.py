"""Boundaries of watch events in bytes that arrive in any pieces."""

import itertools
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.response.watch_frames import (
    MAX_DEPTH,
    CborSequence,
    Frames,
    JsonLines,
    LengthPrefixed,
    NoFrames,
    frames_of,
)

Item = bytes


def cbor_head(major: int, argument: int, *, size: int | None = None) -> bytes:
    """Return an item's head with an argument of ``size`` bytes, or of as few as possible."""
    if size is None and argument < 24:
        return bytes([major << 5 | argument])
    for info, width in ((24, 1), (25, 2), (26, 4), (27, 8)):
        if argument < 1 << (8 * width) and (size is None or size <= width):
            return bytes([major << 5 | info]) + argument.to_bytes(width, "big")
    raise ValueError(argument)


sizes = st.sampled_from([None, 1, 2, 4, 8])
strings = st.builds(
    lambda major, data, size: cbor_head(major, len(data), size=size) + data,
    st.sampled_from([2, 3]),
    st.binary(max_size=40),
    sizes,
)
pieced = st.builds(
    lambda major, pieces: (
        bytes([major << 5 | 31])
        + b"".join(cbor_head(major, len(one)) + one for one in pieces)
        + b"\xff"
    ),
    st.sampled_from([2, 3]),
    st.lists(st.binary(max_size=30), max_size=4),
)
numbers = st.builds(
    lambda major, value, size: cbor_head(major, value, size=size),
    st.sampled_from([0, 1]),
    st.integers(0, 255),
    sizes,
)
simple = st.sampled_from([b"\xf4", b"\xf6", b"\xf8\xff", b"\xf9ab", b"\xfaabcd", b"\xfbabcdefgh"])


def around(inner: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    many = st.lists(inner, max_size=4)
    pairs = st.lists(st.tuples(inner, inner).map(b"".join), max_size=3)
    return st.one_of(
        st.builds(lambda n, s: cbor_head(4, len(n), size=s) + b"".join(n), many, sizes),
        st.builds(lambda n, s: cbor_head(5, len(n), size=s) + b"".join(n), pairs, sizes),
        many.map(lambda n: b"\x9f" + b"".join(n) + b"\xff"),
        pairs.map(lambda n: b"\xbf" + b"".join(n) + b"\xff"),
        st.builds(lambda tag, item: cbor_head(6, tag) + item, st.sampled_from([1, 55799]), inner),
    )


cbor = st.recursive(st.one_of(strings, pieced, numbers, simple), around, max_leaves=12)
framed = st.binary(max_size=300).map(lambda body: len(body).to_bytes(4, "big") + body)
lines = st.binary(max_size=60).map(lambda body: body.replace(b"\n", b"") + b"\n")

KINDS: list[tuple[Callable[[], Frames], st.SearchStrategy[bytes]]] = [
    (JsonLines, lines),
    (LengthPrefixed, framed),
    (CborSequence, cbor),
]


@st.composite
def cut_streams(draw: st.DrawFn) -> tuple[Frames, list[bytes], list[bytes]]:
    """Draw a tracker, events for it, and their bytes in pieces."""
    make, event = draw(st.sampled_from(KINDS))
    events = draw(st.lists(event, min_size=1, max_size=5))
    stream = b"".join(events)
    cuts = sorted(draw(st.sets(st.integers(0, len(stream)), max_size=8)) | {0, len(stream)})
    pieces = [stream[a:b] for a, b in itertools.pairwise(cuts)]
    return make(), events, pieces


@given(cut_streams())
def test_tracker_is_between_events_only_after_complete_ones(
    given_: tuple[Frames, list[bytes], list[bytes]],
) -> None:
    frames, events, pieces = given_
    edges, place = {0}, 0
    for event in events:
        place += len(event)
        edges.add(place)
    place = 0
    assert frames.between
    for piece in pieces:
        frames.feed(piece)
        place += len(piece)
        assert frames.between == (place in edges)


@given(cut_streams())
def test_advance_to_an_edge_stops_after_each_event(
    given_: tuple[Frames, list[bytes], list[bytes]],
) -> None:
    frames, events, pieces = given_
    found, event = [], b""
    for piece in pieces:
        rest = piece
        while rest:
            taken = frames.advance(rest, to_edge=True)
            assert taken
            event += rest[:taken]
            rest = rest[taken:]
            if frames.between:
                found.append(event)
                event = b""
            else:
                assert not rest
    assert found == events


@given(cut_streams(), st.binary(max_size=40))
def test_tracker_accepts_any_bytes(
    given_: tuple[Frames, list[bytes], list[bytes]], noise: bytes
) -> None:
    frames, _, pieces = given_
    for piece in (noise, *pieces):
        assert frames.advance(piece, to_edge=False) == len(piece)


@pytest.mark.parametrize(
    "malformed",
    [b"\xff", b"\x1c", b"\x5f\x61a", b"\x5f\x5f", b"\x7f\x01", b"\x1f", b"\xdf", b"\x82\x01\xff"],
)
def test_malformed_cbor_has_no_further_edge(malformed: bytes) -> None:
    frames = CborSequence()
    frames.feed(malformed)
    frames.feed(b"\x00" * 10)
    assert not frames.between


def test_cbor_nesting_above_the_maximum_has_no_edge() -> None:
    deep = CborSequence()
    deep.feed(b"\x81" * (MAX_DEPTH - 1) + b"\x00")
    assert deep.between
    deeper = CborSequence()
    deeper.feed(b"\x81" * 10_000_000)
    assert not deeper.between


def test_cbor_map_with_a_huge_length_takes_no_memory() -> None:
    frames = CborSequence()
    frames.feed(b"\xbb" + b"\xff" * 8 + b"\x00" * 1000)
    assert not frames.between


@pytest.mark.parametrize(
    ("kind", "tracker"),
    [
        (b"application/json", JsonLines),
        (b"application/json;stream=watch", JsonLines),
        (b"Application/JSON; charset=utf-8", JsonLines),
        (b"application/vnd.kubernetes.protobuf;stream=watch", LengthPrefixed),
        (b"application/vnd.kubernetes.protobuf ; stream=watch", LengthPrefixed),
        (b"application/cbor-seq", CborSequence),
        (b"application/yaml", NoFrames),
        (b"text/plain", NoFrames),
        (b"application/octet-stream", NoFrames),
    ],
)
def test_media_type_selects_the_tracker(kind: bytes, tracker: type[Frames]) -> None:
    assert type(frames_of([(b"content-TYPE", kind)])) is tracker


def test_encoded_watch_has_no_edges() -> None:
    json = (b"Content-Type", b"application/json")
    assert type(frames_of([json, (b"Content-Encoding", b"gzip")])) is NoFrames
    assert type(frames_of([json, (b"Content-Encoding", b"identity")])) is JsonLines
    assert type(frames_of([json, json])) is NoFrames
    assert type(frames_of([])) is JsonLines
