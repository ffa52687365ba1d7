"""Where a request ends is read in one way, or the request is refused: nothing hides in another."""

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
def test_a_length_that_can_be_read_in_two_ways_is_refused(
    world: World, lines: tuple[bytes, ...]
) -> None:
    with world.wire() as wire:
        wire.send(world.head(*lines, method=b"POST") + LAST + HIDDEN)
        assert wire.reply().status == 400
        assert wire.closed()
    world.nothing_arrived()


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
def test_a_line_that_is_no_header_line_is_refused(world: World, line: bytes) -> None:
    with world.wire() as wire:
        wire.send(world.head(line) + HIDDEN)
        assert wire.reply().status == 400
        assert wire.closed()
    world.nothing_arrived()


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
def test_a_body_with_bad_chunks_never_arrives_as_a_whole(world: World, chunks: bytes) -> None:
    head = world.head(*CHUNKED, method=b"POST")
    expected = world.expected(method=b"POST", framing=CHUNKED)
    with world.wire() as wire:
        wire.send(head)
        world.a.wait_for_bytes(expected)
        wire.send(chunks + HIDDEN)
        assert wire.reply().status == 400
        assert wire.closed()
    assert world.a.broken_off() in {expected, expected + b"1\r\na\r\n"}
    assert world.a.seen == []
    assert len(world.a.raw) == 1


@BAD_CHUNKS
def test_bad_chunks_in_one_piece_with_their_head_are_refused(world: World, chunks: bytes) -> None:
    with world.wire() as wire:
        wire.send(world.head(*CHUNKED, method=b"POST") + chunks + HIDDEN)
        assert wire.reply().status == 400
        assert wire.closed()
    world.nothing_arrived()


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
def test_what_is_no_request_is_refused(world: World, head: bytes) -> None:
    auth = b"Authorization: Bearer " + world.tokens["alice"].encode() + b"\r\n"
    with world.wire() as wire:
        wire.send(head.replace(b"{auth}", auth))
        assert wire.reply().status in {400, 401, 505}
        assert wire.closed()
    world.nothing_arrived()


@pytest.mark.parametrize(
    "lines",
    [
        (b"X: " + b"a" * 70_000,),
        (b"X" * 70_000 + b": a",),
        tuple(b"X-%d: a" % number for number in range(600)),
    ],
    ids=["a value", "a name", "too many"],
)
def test_an_oversized_head_is_refused(world: World, lines: tuple[bytes, ...]) -> None:
    assert world.ask(world.head(*lines)).status in {400, 431}
    world.nothing_arrived()


def test_an_oversized_target_is_refused(world: World) -> None:
    target = b"/k8s/clusters/a/" + b"x" * 70_000
    assert world.ask(world.head(target=target)).status in {400, 414, 431}
    world.nothing_arrived()


def test_pipelined_requests_are_answered_in_order_each_as_its_own_caller(world: World) -> None:
    world.a.answers[b"/one"] = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\none"
    world.a.answers[b"/two"] = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\ntwo"
    first = world.head(b"Content-Length: 4", method=b"PUT", target=b"/k8s/clusters/a/one") + b"body"
    second = world.head(user="bob", target=b"/k8s/clusters/a/two")
    third = world.head(user="eve", target=b"/k8s/clusters/a/three")
    with world.wire() as wire:
        wire.send(first + second + third)
        assert [wire.reply().body for _ in range(2)] == [b"one", b"two"]
        assert wire.reply().status == 404
    one, two = world.a.asked()
    framing = (b"Content-Length: 4",)
    assert one.bytes == world.expected(method=b"PUT", target=b"/one", framing=framing) + b"body"
    assert two.bytes == world.expected(user="bob", target=b"/two")


@pytest.mark.parametrize("body", [b"", HIDDEN, b"0\r\n\r\n" + HIDDEN, b"\r\n\r\n" + HIDDEN])
def test_a_body_that_looks_like_a_request_is_a_body(world: World, body: bytes) -> None:
    length = b"Content-Length: %d" % len(body)
    assert world.ask(world.head(length, method=b"POST") + body).status == 200
    assert world.only().bytes == world.expected(method=b"POST", framing=(length,)) + body


def test_a_chunk_that_looks_like_a_request_is_a_chunk(world: World) -> None:
    body = b"%x;ext=1\r\n%b\r\n" % (len(HIDDEN), HIDDEN)
    assert world.ask(world.head(*CHUNKED, method=b"POST") + body + LAST).status == 200
    arrived = b"%x\r\n%b\r\n" % (len(HIDDEN), HIDDEN) + LAST
    assert world.only().bytes == world.expected(method=b"POST", framing=CHUNKED) + arrived


def test_http_1_0_arrives_as_1_1_and_ends_its_connection(world: World) -> None:
    with world.wire() as wire:
        wire.send(world.head(b"Accept: a", version=b"HTTP/1.0"))
        reply = wire.reply()
        assert reply.status == 200
        assert reply.lines(b"Transfer-Encoding") == []
        assert wire.closed()
    assert world.only().bytes == world.expected(b"Accept: a")


def test_a_request_behind_the_last_of_a_connection_is_not_served(world: World) -> None:
    with world.wire() as wire:
        wire.send(world.head(b"Connection: close") + HIDDEN)
        assert wire.reply().status == 400
        assert wire.closed()
    world.nothing_arrived()


def test_white_space_in_the_request_line_does_not_arrive(world: World) -> None:
    for head in (world.head(method=b"GET "), world.head(version=b" HTTP/1.1")):
        world.a.clear()
        assert world.ask(head).status == 200
        assert world.only().bytes == world.expected()


def test_http_1_0_may_not_be_chunked(world: World) -> None:
    """RFC 9112 §6.1: its framing is faulty, whatever else it says."""
    head = world.head(*CHUNKED, method=b"POST", version=b"HTTP/1.0")
    with world.wire() as wire:
        wire.send(head + b"1\r\na\r\n" + LAST + HIDDEN)
        assert wire.reply().status == 400
        assert wire.closed()
    world.nothing_arrived()


def test_a_body_is_waited_for_before_the_next_request_is_read(world: World) -> None:
    """A refusal, too, leaves no half of its request behind for another to begin with."""
    with world.wire() as wire:
        wire.send(world.head(b"Content-Length: 10", method=b"POST", user=None) + b"12345")
        assert wire.reply().status == 401
        wire.send(b"67890" + world.head())
        assert wire.reply().status == 200
    assert world.only().bytes == world.expected()


@pytest.mark.parametrize("value", [b"100-continu", b"\xe9", b"", b"x, 100-continue"])
def test_nothing_but_100_continue_is_expected_of_the_api(world: World, value: bytes) -> None:
    reply = world.ask(world.head(b"Expect: " + value, target=b"/v1/me"))
    assert reply.status == 417


def test_100_continue_is_the_gates_to_say(world: World) -> None:
    lines = (b"Expect: 100-continue", b"Content-Length: 2")
    with world.wire() as wire:
        wire.send(world.head(*lines, method=b"POST"))
        assert wire.status() == 100
        wire.send(b"ok")
        assert wire.reply().status == 200
    expected = world.expected(method=b"POST", framing=(b"Content-Length: 2",))
    assert world.only().bytes == expected + b"ok"


def test_a_head_of_many_long_lines_is_refused_before_it_is_complete(world: World) -> None:
    """Each line is short enough, and there are few enough: together they are over a mebibyte."""
    lines = b"".join(b"X-%d: %b\r\n" % (number, b"a" * 60_000) for number in range(20))
    with world.wire() as wire:
        wire.send(world.head(user=None)[:-2] + lines)
        assert wire.reply().status == 431
        assert wire.closed()
    world.nothing_arrived()
