"""Frames of yamux are read in any pieces, and what violates the specification is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.yamux.frames import (
    HEADER_BYTES,
    Flags,
    FrameReader,
    FrameType,
    Header,
    ProtocolError,
    decode_header,
    encode_header,
)

_OF_STREAM = st.builds(
    Header,
    st.sampled_from([FrameType.DATA, FrameType.WINDOW_UPDATE]),
    st.integers(0, 15).map(Flags),
    st.integers(1, 2**32 - 1),
    st.integers(0, 2**32 - 1),
)
_OF_SESSION = st.builds(
    Header,
    st.sampled_from([FrameType.PING, FrameType.GO_AWAY]),
    st.integers(0, 15).map(Flags),
    st.just(0),
    st.integers(0, 2**32 - 1),
)


@given(_OF_STREAM | _OF_SESSION)
def test_header_survives_encoding_and_decoding(header: Header) -> None:
    assert decode_header(encode_header(header)) == header


def test_header_has_the_bytes_of_the_specification() -> None:
    header = Header(FrameType.WINDOW_UPDATE, Flags.SYN | Flags.FIN, 7, 0x01020304)
    assert encode_header(header) == bytes.fromhex("00 01 0005 00000007 01020304")


@pytest.mark.parametrize(
    "data",
    [
        "01 00 0000 00000001 00000000",  # version
        "00 04 0000 00000001 00000000",  # type
        "00 00 0010 00000001 00000000",  # flag
        "00 00 0000 00000000 00000000",  # data of the session
        "00 02 0001 00000001 00000000",  # ping of a stream
    ],
)
def test_invalid_header_raises_protocol_error(data: str) -> None:
    with pytest.raises(ProtocolError):
        decode_header(bytes.fromhex(data))


@given(
    st.lists(st.tuples(st.integers(1, 9), st.binary(max_size=40)), max_size=8),
    st.lists(st.integers(1, 17), min_size=1, max_size=50),
)
def test_frames_in_pieces_are_read_as_in_one(
    frames: list[tuple[int, bytes]], sizes: list[int]
) -> None:
    sent = b"".join(
        encode_header(Header(FrameType.DATA, Flags.NONE, stream, len(data))) + data
        for stream, data in frames
    )
    reader, seen, place = FrameReader(), list[tuple[int, bytes]](), 0
    while place < len(sent):
        size = sizes[place % len(sizes)]
        for part in reader.read(sent[place : place + size]):
            if isinstance(part, Header):
                seen.append((part.stream_id, b""))
            else:
                seen[-1] = (seen[-1][0], seen[-1][1] + bytes(part))
        place += size
    assert seen == frames


def test_large_payload_is_passed_on_without_waiting_for_its_end() -> None:
    reader = FrameReader()
    header = encode_header(Header(FrameType.DATA, Flags.NONE, 1, 2**31))
    assert len(header) == HEADER_BYTES
    assert len(list(reader.read(header + b"x" * 100))) == 2
    assert [bytes(one) for one in reader.read(b"yz")] == [b"yz"]
