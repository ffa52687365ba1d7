"""Messages of the control stream survive any pieces, and other lines are refused or ignored."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.tunnel.control import (
    MAX_LINE_BYTES,
    MAX_TEXT,
    ControlError,
    ControlReader,
    Drain,
    Hello,
    Message,
    Welcome,
    encode,
)

_TEXT = st.text(st.characters(categories=["L", "N", "P"]), max_size=MAX_TEXT)
_MESSAGES = (
    st.builds(Hello, _TEXT, _TEXT, _TEXT, _TEXT)
    | st.builds(Welcome, _TEXT, _TEXT, _TEXT)
    | st.builds(Drain, _TEXT)
)


@given(st.lists(_MESSAGES, max_size=5), st.integers(1, 50))
def test_messages_in_pieces_are_read_as_sent(messages: list[Message], size: int) -> None:
    sent, reader = b"".join(map(encode, messages)), ControlReader()
    pieces = [sent[place : place + size] for place in range(0, len(sent), size)]
    assert [one for piece in pieces for one in reader.read(piece)] == messages


def test_unknown_keys_and_messages_are_ignored() -> None:
    reader = ControlReader()
    lines = b'{"type": "later"}\n{"type": "hello", "pod": "a", "more": [1]}\n'
    assert list(reader.read(lines)) == [Hello(pod="a")]


def test_text_of_the_peer_is_bounded_and_printable() -> None:
    (hello,) = ControlReader().read(encode(Hello(pod="a\nb\x1b" + "c" * 1000, node="n")))
    assert isinstance(hello, Hello)
    assert hello.pod == "ab" + "c" * (MAX_TEXT - 4)


@pytest.mark.parametrize(
    "data",
    [b"nonsense\n", b"[1]\n", b"[" * 10_000 + b"\n", b"x" * (MAX_LINE_BYTES + 1)],
    ids=["no JSON", "no object", "nested", "too long"],
)
def test_invalid_line_raises_control_error(data: bytes) -> None:
    with pytest.raises(ControlError):
        list(ControlReader().read(data))


@given(st.binary(max_size=300))
def test_arbitrary_bytes_raise_nothing_but_control_error(data: bytes) -> None:
    try:
        list(ControlReader().read(data))
    except ControlError:
        pass
