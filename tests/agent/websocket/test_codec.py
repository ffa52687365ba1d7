"""WebSocket frames of a tunnel are read in any pieces, and invalid ones are refused."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.websocket.codec import (
    Close,
    CloseCode,
    Decoder,
    Frame,
    Opcode,
    Payload,
    Ping,
    Pong,
    WebSocketError,
    encode,
    encode_close,
)
from agent.websocket.masking import mask, mask_in_python, mask_parts


def decode(data: bytes, *, masked: bool = False, size: int = 1 << 20) -> list[Frame]:
    decoder = Decoder(masked=masked)
    return [
        one
        for place in range(0, len(data), size)
        for one in decoder.decode(data[place : place + size])
    ]


def payload(frames: list[Frame]) -> bytes:
    return b"".join(one.data for one in frames if isinstance(one, Payload))


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65535, 65536, 200_000])
@pytest.mark.parametrize("masked", [True, False])
def test_frame_of_any_size_is_decoded(size: int, masked: bool) -> None:
    data = bytes(range(256)) * (size // 256 + 1)
    sent = encode(Opcode.BINARY, data[:size], masked=masked)
    assert payload(decode(sent, masked=masked)) == data[:size]


def test_masked_text_of_the_specification_is_unmasked() -> None:
    # RFC 6455 §5.7: "Hello", as a binary message
    sent = bytes.fromhex("82 85 37fa213d 7f9f4d5158")
    assert decode(sent, masked=True) == [Payload(b"Hello")]


@given(st.binary(max_size=300), st.binary(min_size=4, max_size=4))
def test_mask_twice_is_the_original(data: bytes, key: bytes) -> None:
    assert mask(mask(data, key), key) == data


@given(st.lists(st.binary(max_size=20)), st.binary(min_size=4, max_size=4))
def test_parts_are_masked_as_one_payload(parts: list[bytes], key: bytes) -> None:
    whole = b"".join(parts)
    assert b"".join(mask_parts(parts, key)) == mask(whole, key) == mask_in_python(whole, key)


_KINDS = st.sampled_from([Opcode.BINARY, Opcode.PING, Opcode.PONG])


@given(
    st.lists(st.tuples(_KINDS, st.binary(max_size=125)), max_size=8),
    st.booleans(),
    st.integers(1, 40),
)
def test_frames_in_pieces_are_decoded_as_in_one(
    sent: list[tuple[Opcode, bytes]], masked: bool, size: int
) -> None:
    data = b"".join(encode(kind, part, masked=masked) for kind, part in sent)
    seen = decode(data, masked=masked, size=size)
    assert payload(seen) == b"".join(part for kind, part in sent if kind is Opcode.BINARY)
    answered = [Ping(part) for kind, part in sent if kind is Opcode.PING]
    assert [one for one in seen if isinstance(one, Ping)] == answered
    unasked = [Pong(part) for kind, part in sent if kind is Opcode.PONG]
    assert [one for one in seen if isinstance(one, Pong)] == unasked


def test_control_frame_between_fragments_is_decoded() -> None:
    # RFC 6455 §5.4: a message in two fragments, and a ping between them
    sent = bytes.fromhex("02 01 61  89 01 70  80 01 62")
    assert decode(sent) == [Payload(b"a"), Ping(b"p"), Payload(b"b")]


def test_nothing_after_a_close_frame_is_read() -> None:
    sent = encode_close(CloseCode.GOING_AWAY, "restart", masked=False)
    sent += encode(Opcode.BINARY, b"late", masked=False)
    assert decode(sent) == [Close(1001, "restart")]


def test_long_reason_is_cut_between_characters() -> None:
    (closed,) = decode(encode_close(CloseCode.NORMAL, "é" * 100, masked=False))
    assert isinstance(closed, Close)
    assert closed.reason == "é" * 61


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        ("c2 01 61", 1002),  # reserved bit
        ("83 00", 1002),  # unknown opcode
        ("82 80 00000000", 1002),  # masked by a server
        ("81 01 61", 1003),  # text
        ("80 01 61", 1002),  # continuation of nothing
        ("02 01 61 82 01 62", 1002),  # a message inside another
        ("09 01 61", 1002),  # fragmented ping
        ("89 7e 0080", 1002),  # long ping
        ("88 01 03", 1002),  # half a close code
        ("88 03 03e8 ff", 1002),  # reason that is not UTF-8
        ("82 7f 8000000000000000", 1002),  # negative length
    ],
)
def test_invalid_frame_raises_websocket_error(sent: str, code: int) -> None:
    with pytest.raises(WebSocketError) as error:
        decode(bytes.fromhex(sent))
    assert error.value.code == code


def test_frame_without_a_mask_is_refused_by_a_server() -> None:
    with pytest.raises(WebSocketError, match="no mask"):
        decode(encode(Opcode.BINARY, b"x", masked=False), masked=True)


@given(st.binary(max_size=200), st.booleans(), st.integers(1, 50))
@settings(max_examples=300)
def test_arbitrary_bytes_raise_nothing_but_websocket_error(
    data: bytes, masked: bool, size: int
) -> None:
    try:
        decode(data, masked=masked, size=size)
    except WebSocketError:
        pass
