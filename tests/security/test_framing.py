"""A request whose end could be read in two ways is rejected, against request smuggling."""

import pytest

from tests.security.world import World

HIDDEN = b"GET /k8s/clusters/a/hidden HTTP/1.1\r\nHost: gate\r\n\r\n"
CHUNKED = (b"Transfer-Encoding: chunked",)
LAST = b"0\r\n\r\n"


@pytest.mark.parametrize(
    "lines",
    [
        (b"Content-Length: 1", *CHUNKED),
        (*CHUNKED, b"Content-Length: 1"),
        (*CHUNKED, b"content-length: 0"),
        (b"Content-Length: 1", b"Content-Length: 2"),
        (b"Content-Length: 1", b"Content-Length: 1"),
        (b"Content-Length: 1, 1",),
        (b"Content-Length: +1",),
        (b"Content-Length: -1",),
        (b"Content-Length: 0x1",),
        (b"Content-Length: 1x",),
        (b"Content-Length: 1 1",),
        (b"Content-Length: 1_0",),
        (b"Content-Length: \xd9\xa1",),
        (b"Content-Length:",),
        (b"Content-Length : 1",),
        (b"Content-Length: 99999999999999999999999",),
        (b"Content-Length: 1\x00",),
        (b"Content-Length: 1\r\n 0",),
        (*CHUNKED, *CHUNKED),
        (b"Transfer-Encoding: chunked, chunked",),
        (b"Transfer-Encoding: gzip, chunked",),
        (b"Transfer-Encoding: chunked, identity",),
        (b"Transfer-Encoding: identity",),
        (b"Transfer-Encoding: xchunked",),
        (b"Transfer-Encoding: chunkedx",),
        (b"Transfer-Encoding: \x0bchunked",),
        (b'Transfer-Encoding: "chunked"',),
        (b"Transfer-Encoding: chunked;a=b",),
        (b"Transfer-Encoding:",),
        (b"Transfer-Encoding : chunked",),
        (b" Transfer-Encoding: chunked",),
        (b"Transfer-Encoding:\r\n chunked",),
        (b"Transfer-Encoding: chun\r\n ked",),
        (b"X: y\rTransfer-Encoding: chunked",),
        (b"X: y\nTransfer-Encoding: chunked",),
        (b"X: y\r\r\nTransfer-Encoding: chunked",),
    ],
)
def test_ambiguous_length_is_rejected(world: World, lines: tuple[bytes, ...]) -> None:
    with world.connect() as wire:
        wire.send(world.head(*lines, method=b"POST") + LAST + HIDDEN)
        assert wire.read_response().status == 400
        assert wire.is_closed_silently()
    world.assert_nothing_received()


@pytest.mark.parametrize(
    "line",
    [
        b"X: a\x00b",
        b"X: a\rb",
        b"X: a\nb",
        b"X: a\x01b",
        b"X: a\x7fb",
        b"X\x00: a",
        b"X y: a",
        b"X : a",
        b": a",
        b"X",
        b"X\xe9: a",
        b"X(: a",
        b"X: folded\r\n line",
        b"\x0bX: a",
    ],
)
def test_malformed_header_line_is_rejected(world: World, line: bytes) -> None:
    with world.connect() as wire:
        wire.send(world.head(line) + HIDDEN)
        assert wire.read_response().status == 400
        assert wire.is_closed_silently()
    world.assert_nothing_received()


BAD_CHUNKS = pytest.mark.parametrize(
    "chunks",
    [
        b"x\r\na\r\n" + LAST,
        b"1\r\nab\r\n" + LAST,
        b"-1\r\na\r\n" + LAST,
        b"+1\r\na\r\n" + LAST,
        b"0x1\r\na\r\n" + LAST,
        b"1 \r\na\r\n" + LAST,
        b" 1\r\na\r\n" + LAST,
        b"1_0\r\n" + b"a" * 16 + b"\r\n" + LAST,
        b"1\na\n0\n\n",
        b"1\r\na" + LAST,
        b"1;\x00\r\na\r\n" + LAST,
        b"1;a\nb\r\na\r\n" + LAST,
        b"10000000000000000\r\na\r\n" + LAST,
        b"ffffffffffffffff0\r\na\r\n" + LAST,
        b"\r\na\r\n" + LAST,
        b"1\r\na\r\n0\r\nbad trailer\r\n\r\n",
        b"1\r\na\r\n0\r\nX: y\n\r\n",
        b"1\r\na\r\n0\rX: y\r\n\r\n",
    ],
)


@BAD_CHUNKS
def test_malformed_chunks_are_not_forwarded_as_complete_body(world: World, chunks: bytes) -> None:
    head = world.head(*CHUNKED, method=b"POST")
    expected = world.expected_head(method=b"POST", framing=CHUNKED)
    with world.connect() as wire:
        wire.send(head)
        world.a.wait_for_bytes(expected)
        wire.send(chunks + HIDDEN)
        assert wire.read_response().status == 400
        assert wire.is_closed_silently()
    assert world.a.truncated_request() in {expected, expected + b"1\r\na\r\n"}
    assert world.a.recorded == []
    assert len(world.a.received_bytes) == 1


@BAD_CHUNKS
def test_malformed_chunks_sent_with_head_are_rejected(world: World, chunks: bytes) -> None:
    with world.connect() as wire:
        wire.send(world.head(*CHUNKED, method=b"POST") + chunks + HIDDEN)
        assert wire.read_response().status == 400
        assert wire.is_closed_silently()
    world.assert_nothing_received()


@pytest.mark.parametrize(
    "head",
    [
        b"GET /k8s/clusters/a/api\r\n\r\n",
        b"GET\r\n\r\n",
        b" GET /k8s/clusters/a/api HTTP/1.1\r\nHost: gate\r\n{auth}\r\n",
        b"get /k8s/clusters/a/api HTTP/1.1\r\nHost: gate\r\n{auth}\r\n",
        b"GE\x00T /k8s/clusters/a/api HTTP/1.1\r\nHost: gate\r\n{auth}\r\n",
        b"BOGUS /k8s/clusters/a/api HTTP/1.1\r\nHost: gate\r\n{auth}\r\n",
        b"GET /k8s/clusters/a/api HTTP/1.1 x\r\nHost: gate\r\n{auth}\r\n",
        b"GET /k8s/clusters/a/api HTTP/1.\r\nHost: gate\r\n{auth}\r\n",
        b"GET /k8s/clusters/a/api HTTP/1.11\r\nHost: gate\r\n{auth}\r\n",
        b"GET /k8s/clusters/a/api HTTP/11\r\nHost: gate\r\n{auth}\r\n",
        b"GET /k8s/clusters/a/api HTTP/+1.1\r\nHost: gate\r\n{auth}\r\n",
        b"GET /k8s/clusters/a/api HTTP/9.9\r\nHost: gate\r\n{auth}\r\n",
        b"GET /k8s/clusters/a/api http/1.1\r\nHost: gate\r\n{auth}\r\n",
        b"GET /k8s/clusters/a/api HTTP/1.1\nHost: gate\n{auth}\n",
        b"GET /k8s/clusters/a/api HTTP/1.1\rHost: gate\r{auth}\r\r",
        b"GET /k8s/clusters/a/api HTTP/1.1\r\n Host: gate\r\n{auth}\r\n",
        b"GET /k8s/clusters/a/api HTTP/1.1\r\n{auth}\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"PROXY TCP4 6.6.6.6 127.0.0.1 1 2\r\n",
    ],
)
def test_malformed_request_is_rejected(world: World, head: bytes) -> None:
    auth = b"Authorization: Bearer " + world.tokens["alice"].encode() + b"\r\n"
    with world.connect() as wire:
        wire.send(head.replace(b"{auth}", auth))
        assert wire.read_response().status in {400, 401, 505}
        assert wire.is_closed_silently()
    world.assert_nothing_received()


@pytest.mark.parametrize(
    "lines",
    [
        (b"X: " + b"a" * 1_050_000,),
        (b"X" * 1_050_000 + b": a",),
        tuple(b"X-%d: a" % number for number in range(600)),
    ],
    ids=["a value", "a name", "too many"],
)
def test_oversized_head_is_rejected(world: World, lines: tuple[bytes, ...]) -> None:
    assert world.send(world.head(*lines)).status in {400, 431}
    world.assert_nothing_received()


def test_oversized_target_is_rejected(world: World) -> None:
    target = b"/k8s/clusters/a/" + b"x" * 1_050_000
    assert world.send(world.head(target=target)).status in {400, 414, 431}
    world.assert_nothing_received()


def test_pipelined_requests_are_authenticated_separately_and_answered_in_order(
    world: World,
) -> None:
    world.a.responses[b"/one"] = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\none"
    world.a.responses[b"/two"] = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\ntwo"
    first = world.head(b"Content-Length: 4", method=b"PUT", target=b"/k8s/clusters/a/one") + b"body"
    second = world.head(user="bob", target=b"/k8s/clusters/a/two")
    third = world.head(user="eve", target=b"/k8s/clusters/a/three")
    with world.connect() as wire:
        wire.send(first + second + third)
        assert [wire.read_response().body for _ in range(2)] == [b"one", b"two"]
        assert wire.read_response().status == 404
    one, two = world.a.requests()
    framing = (b"Content-Length: 4",)
    assert one.raw == world.expected_head(method=b"PUT", target=b"/one", framing=framing) + b"body"
    assert two.raw == world.expected_head(user="bob", target=b"/two")


@pytest.mark.parametrize("body", [b"", HIDDEN, b"0\r\n\r\n" + HIDDEN, b"\r\n\r\n" + HIDDEN])
def test_body_that_looks_like_request_is_forwarded_as_body(world: World, body: bytes) -> None:
    length = b"Content-Length: %d" % len(body)
    assert world.send(world.head(length, method=b"POST") + body).status == 200
    assert world.only_request().raw == world.expected_head(method=b"POST", framing=(length,)) + body


def test_chunk_that_looks_like_request_is_forwarded_as_chunk(world: World) -> None:
    body = b"%x;ext=1\r\n%b\r\n" % (len(HIDDEN), HIDDEN)
    assert world.send(world.head(*CHUNKED, method=b"POST") + body + LAST).status == 200
    arrived = b"%x\r\n%b\r\n" % (len(HIDDEN), HIDDEN) + LAST
    assert (
        world.only_request().raw == world.expected_head(method=b"POST", framing=CHUNKED) + arrived
    )


def test_http_1_0_request_is_forwarded_as_1_1_and_closes_connection(world: World) -> None:
    with world.connect() as wire:
        wire.send(world.head(b"Accept: a", version=b"HTTP/1.0"))
        response = wire.read_response()
        assert response.status == 200
        assert response.header_values(b"Transfer-Encoding") == []
        assert wire.is_closed_silently()
    assert world.only_request().raw == world.expected_head(b"Accept: a")


def test_request_after_connection_close_is_not_served(world: World) -> None:
    with world.connect() as wire:
        wire.send(world.head(b"Connection: close") + HIDDEN)
        assert wire.read_response().status == 400
        assert wire.is_closed_silently()
    world.assert_nothing_received()


def test_extra_white_space_in_request_line_is_not_forwarded(world: World) -> None:
    for head in (world.head(method=b"GET "), world.head(version=b" HTTP/1.1")):
        world.a.reset()
        assert world.send(head).status == 200
        assert world.only_request().raw == world.expected_head()


def test_chunked_http_1_0_request_is_rejected(world: World) -> None:
    """RFC 9112 §6.1: chunked framing in HTTP/1.0 is faulty."""
    head = world.head(*CHUNKED, method=b"POST", version=b"HTTP/1.0")
    with world.connect() as wire:
        wire.send(head + b"1\r\na\r\n" + LAST + HIDDEN)
        assert wire.read_response().status == 400
        assert wire.is_closed_silently()
    world.assert_nothing_received()


def test_body_of_rejected_request_is_read_before_next_request(world: World) -> None:
    """The rest of a rejected request must not become the start of the next one."""
    with world.connect() as wire:
        wire.send(world.head(b"Content-Length: 10", method=b"POST", user=None) + b"12345")
        assert wire.read_response().status == 401
        wire.send(b"67890" + world.head())
        assert wire.read_response().status == 200
    assert world.only_request().raw == world.expected_head()


@pytest.mark.parametrize("value", [b"100-continu", b"\xe9", b"", b"x, 100-continue"])
def test_unknown_expectation_is_rejected_by_api(world: World, value: bytes) -> None:
    response = world.send(world.head(b"Expect: " + value, target=b"/v1/me"))
    assert response.status == 417


def test_proxy_sends_100_continue_itself(world: World) -> None:
    lines = (b"Expect: 100-continue", b"Content-Length: 2")
    with world.connect() as wire:
        wire.send(world.head(*lines, method=b"POST"))
        assert wire.read_status() == 100
        wire.send(b"ok")
        assert wire.read_response().status == 200
    expected = world.expected_head(method=b"POST", framing=(b"Content-Length: 2",))
    assert world.only_request().raw == expected + b"ok"


def test_head_of_many_long_lines_is_rejected_before_it_is_complete(world: World) -> None:
    """Length and number of the lines are allowed, but together they exceed one mebibyte."""
    lines = b"".join(b"X-%d: %b\r\n" % (number, b"a" * 60_000) for number in range(20))
    with world.connect() as wire:
        wire.send(world.head(user=None)[:-2] + lines)
        assert wire.read_response().status == 431
        assert wire.is_closed_silently()
    world.assert_nothing_received()
