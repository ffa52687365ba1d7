"""An upgrade that fails leaves no tunnel, and one that succeeds is the caller's own."""

import ssl

import pytest

from tests.security.world import World

EXEC = b"/api/v1/namespaces/n/pods/p/exec?command=sh"
TARGET = b"/k8s/clusters/a" + EXEC
PROTOCOLS = [b"SPDY/3.1", b"websocket"]
SECOND = b"GET /api/v1/secrets HTTP/1.1\r\nHost: x\r\nImpersonate-User: root\r\n\r\n"


def asking(protocol: bytes) -> tuple[bytes, bytes]:
    return b"Connection: Upgrade", b"Upgrade: " + protocol


def answering(status: bytes, *, close: bool = False) -> bytes:
    end = b"Connection: close\r\n" if close else b""
    return b"HTTP/1.1 " + status + b"\r\n" + end + b"Content-Length: 2\r\n\r\nno"


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("status", [b"200 OK", b"403 Forbidden", b"500 Oops", b"302 Found"])
@pytest.mark.parametrize("at_once", [True, False])
def test_a_declined_upgrade_is_the_last_request_of_both_connections(
    world: World, protocol: bytes, status: bytes, at_once: bool
) -> None:
    world.a.answers[b"/api/v1"] = answering(status)
    head = world.head(*asking(protocol), method=b"POST", target=TARGET)
    with world.wire() as wire:
        wire.send(head + SECOND if at_once else head)
        reply = wire.reply()
        assert reply.status == int(status[:3])
        assert reply.body == b"no"
        assert reply.lines(b"Connection") == [b"close"]
        if not at_once:
            wire.send(SECOND)
        assert wire.closed()
    seen = world.only()
    framing = asking(protocol)
    assert seen.bytes == world.expected(method=b"POST", target=EXEC, framing=framing)
    assert bytes(world.a.raw[seen.connection]) == seen.bytes


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_the_connection_of_a_declined_upgrade_is_not_used_again(
    world: World, protocol: bytes
) -> None:
    world.a.answers[b"/api/v1"] = answering(b"403 Forbidden")
    world.ask(world.head(*asking(protocol), target=TARGET))
    world.ask(world.head())
    declined, after = world.a.asked()
    assert declined.connection != after.connection


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_tunnel_carries_bytes_after_a_real_101_only(world: World, protocol: bytes) -> None:
    def switch(connection: ssl.SSLSocket) -> None:
        head = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: "
        connection.sendall(head + protocol + b"\r\nSet-Cookie: a=b\r\n\r\nhello")
        connection.sendall(connection.recv(100).upper())

    world.a.answers[b"/api/v1"] = switch
    with world.wire() as wire:
        wire.send(world.head(*asking(protocol), method=b"POST", target=TARGET))
        reply = wire.reply()
        assert reply.status == 101
        assert reply.lines(b"Set-Cookie") == []
        assert wire.exactly(5) == b"hello"
        wire.send(b"client")
        assert wire.exactly(6) == b"CLIENT"
        assert wire.closed()
    [seen] = world.a.asked()
    framing = asking(protocol)
    assert seen.bytes == world.expected(method=b"POST", target=EXEC, framing=framing)


@pytest.mark.parametrize(
    "lines",
    [
        (b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABk"),
        (b"Connection: Upgrade", b"Upgrade: h2c, websocket"),
        (b"Connection: Upgrade", b"Upgrade: tcp"),
        (b"Connection: Upgrade", b"Upgrade: TLS/1.0"),
        (b"Connection: Upgrade", b"Upgrade:"),
        (b"Connection: keep-alive", b"Upgrade: websocket"),
        (b"Upgrade: SPDY/3.1",),
        (b"Connection: Upgrade",),
    ],
)
def test_no_other_protocol_is_switched_to(world: World, lines: tuple[bytes, ...]) -> None:
    """An upgrade to HTTP/2 in clear text would carry requests that nobody looks at."""
    assert world.ask(world.head(*lines)).status == 200
    assert world.only().bytes == world.expected()


@pytest.mark.parametrize("lines", [(), (b"Connection: Upgrade", b"Upgrade: h2c")])
def test_a_101_that_was_not_asked_for_is_an_error(world: World, lines: tuple[bytes, ...]) -> None:
    world.a.answers[b"/api"] = (
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"
    )
    with world.wire() as wire:
        wire.send(world.head(*lines))
        assert wire.reply().status == 502
        if lines:
            assert wire.closed()
    assert world.only().bytes == world.expected()


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    ("lines", "body"),
    [((b"Content-Length: 5",), b"hello"), ((b"Transfer-Encoding: chunked",), b"0\r\n\r\n")],
)
def test_the_body_of_an_upgrade_does_not_arrive(
    world: World, protocol: bytes, lines: tuple[bytes, ...], body: bytes
) -> None:
    """It would be the tunnel's first bytes, or another request's."""
    world.a.answers[b"/api/v1"] = answering(b"403 Forbidden")
    head = world.head(*asking(protocol), *lines, method=b"POST", target=TARGET)
    with world.wire() as wire:
        wire.send(head + body + SECOND)
        assert wire.reply().status == 403
        assert wire.closed()
    framing = asking(protocol)
    assert world.only().bytes == world.expected(method=b"POST", target=EXEC, framing=framing)


@pytest.mark.parametrize("user", [None, "bob", "eve"])
def test_who_may_not_enter_may_not_upgrade(world: World, user: str | None) -> None:
    target = b"/k8s/clusters/b" + EXEC
    with world.wire() as wire:
        wire.send(world.head(*asking(b"websocket"), user=user, target=target) + SECOND)
        assert wire.reply().status == (401 if user is None else 404)
        assert wire.closed()
    world.nothing_arrived()
