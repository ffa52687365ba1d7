"""The response parser on bytes: events, framing, errors, reuse of the connection."""

import pytest

from proxy.upstream.errors import UpstreamProtocolError
from proxy.upstream.response_parser import MAX_HEAD_BYTES, ResponseParser

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def parsed(*reads: bytes, head_request: bool = False) -> ResponseParser:
    """Return a parser that was fed with ``reads``."""
    parser = ResponseParser()
    parser.expect(head_request=head_request)
    for read in reads:
        parser.feed(read)
    return parser


@pytest.mark.parametrize("step", [1, 2, 7, 1000])
def test_response_in_reads_of_any_size_is_the_same(step: int) -> None:
    data = CHUNKED + b"2\r\nab\r\n3\r\ncde\r\n0\r\nX-End: 1\r\n\r\n"
    parser = parsed(*(data[at : at + step] for at in range(0, len(data), step)))
    assert (parser.status, parser.reason) == (200, b"OK")
    assert parser.headers == [(b"Transfer-Encoding", b"chunked")]
    assert b"".join(parser.body) == b"abcde"
    assert parser.trailers == [(b"X-End", b"1")]
    assert parser.complete
    assert parser.keep_alive


def test_take_body_twice_returns_each_piece_once() -> None:
    parser = parsed(OK + b"o")
    assert parser.take_body() == [b"o"]
    parser.feed(b"k")
    assert parser.take_body() == [b"k"]
    assert parser.take_body() == []


def test_interim_response_is_dropped() -> None:
    parser = parsed(b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n")
    assert not parser.head_complete
    parser.feed(OK + b"ok")
    assert (parser.status, parser.reason) == (200, b"OK")
    assert parser.headers == [(b"Content-Length", b"2")]


def test_101_returns_the_bytes_behind_it() -> None:
    parser = parsed(b"HTTP/1.1 101 Yes\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\ntail")
    assert parser.switched == b"tail"
    assert parser.headers == [(b"Connection", b"Upgrade"), (b"Upgrade", b"x")]
    assert not parser.head_complete


def test_response_to_head_has_no_body_and_next_response_is_parsed() -> None:
    parser = parsed(OK, head_request=True)
    assert parser.complete
    assert parser.keep_alive
    parser.reset()
    parser.expect(head_request=False)
    parser.feed(OK + b"ok")
    assert parser.body == [b"ok"]


@pytest.mark.parametrize(
    ("head_request", "data"),
    [
        (True, OK + b"ok"),
        (False, b"HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 200 OK\r\n\r\n"),
        (False, OK + b"okHTTP/1.1 200 OK\r\n\r\n"),
        (False, OK + b"ok\0"),
    ],
)
def test_bytes_after_a_complete_response_end_reuse(head_request: bool, data: bytes) -> None:
    parser = parsed(data, head_request=head_request)
    assert parser.complete
    assert not parser.keep_alive


def test_expected_body_is_counted_and_next_response_is_parsed() -> None:
    parser = parsed(OK + b"o")
    parser.expect_body(1)
    parser.feed(b"k")
    assert parser.body == [b"o", b"k"]
    assert parser.complete
    assert parser.keep_alive
    parser.reset()
    parser.feed(CHUNKED + b"1\r\nx\r\n0\r\n\r\n")
    assert (parser.body, parser.complete) == ([b"x"], True)


def test_bytes_after_a_counted_body_are_dropped_and_end_reuse() -> None:
    parser = parsed(OK)
    parser.expect_body(2)
    parser.feed(b"okHTTP/1.1 200 OK\r\n\r\n")
    assert parser.body == [b"ok"]
    assert parser.complete
    assert not parser.keep_alive


def test_body_without_length_ends_with_finish() -> None:
    parser = parsed(b"HTTP/1.1 200 OK\r\n\r\n", b"ab")
    assert not parser.complete
    parser.finish()
    assert parser.body == [b"ab"]
    assert parser.complete
    assert not parser.keep_alive


@pytest.mark.parametrize("data", [b"SSH-2.0-x\r\n", CHUNKED + b"zz\r\n", b"HTTP/1.1 20\r\n\r\n"])
def test_invalid_response_raises(data: bytes) -> None:
    with pytest.raises(UpstreamProtocolError, match="not valid HTTP"):
        parsed(data)


@pytest.mark.parametrize("start", [b"HTTP/1.1 200 OK\r\n", CHUNKED + b"1\r\nx\r\n0\r\n"])
def test_head_or_trailers_without_end_raise(start: bytes) -> None:
    parser = parsed(start)
    line = b"X: " + b"x" * 1000 + b"\r\n"
    for _ in range(MAX_HEAD_BYTES // len(line)):
        parser.feed(line)
    with pytest.raises(UpstreamProtocolError, match="too large"):
        parser.feed(line)
