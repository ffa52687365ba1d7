"""A failed upgrade leaves no tunnel, and a successful one belongs to its caller only."""

import ssl

import pytest

from tests.security.world import World

EXEC = b"/api/v1/namespaces/n/pods/p/exec?command=sh"
TARGET = b"/k8s/clusters/a" + EXEC
PROTOCOLS = [b"SPDY/3.1", b"websocket"]
SECOND = b"GET /api/v1/secrets HTTP/1.1\r\nHost: x\r\nImpersonate-User: root\r\n\r\n"


def upgrade_lines(protocol: bytes) -> tuple[bytes, bytes]:
    return b"Connection: Upgrade", b"Upgrade: " + protocol


def response_bytes(status: bytes, *, close: bool = False) -> bytes:
    end = b"Connection: close\r\n" if close else b""
    return b"HTTP/1.1 " + status + b"\r\n" + end + b"Content-Length: 2\r\n\r\nno"


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("status", [b"200 OK", b"403 Forbidden", b"500 Oops", b"302 Found"])
@pytest.mark.parametrize("at_once", [True, False])
def test_declined_upgrade_closes_both_connections(
    world: World, protocol: bytes, status: bytes, at_once: bool
) -> None:
    world.a.responses[b"/api/v1"] = response_bytes(status)
    head = world.head(*upgrade_lines(protocol), method=b"POST", target=TARGET)
    with world.connect() as wire:
        wire.send(head + SECOND if at_once else head)
        response = wire.read_response()
        assert response.status == int(status[:3])
        assert response.body == b"no"
        assert response.header_values(b"Connection") == [b"close"]
        if not at_once:
            wire.send(SECOND)
        assert wire.is_closed_silently()
    recorded = world.only_request()
    framing = upgrade_lines(protocol)
    assert recorded.raw == world.expected_head(method=b"POST", target=EXEC, framing=framing)
    assert bytes(world.a.received_bytes[recorded.connection]) == recorded.raw


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_connection_of_declined_upgrade_is_not_reused(world: World, protocol: bytes) -> None:
    world.a.responses[b"/api/v1"] = response_bytes(b"403 Forbidden")
    world.send(world.head(*upgrade_lines(protocol), target=TARGET))
    world.send(world.head())
    declined, after = world.a.requests()
    assert declined.connection != after.connection


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_tunnel_opens_only_after_valid_101(world: World, protocol: bytes) -> None:
    def switch(connection: ssl.SSLSocket) -> None:
        head = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: "
        connection.sendall(head + protocol + b"\r\nSet-Cookie: a=b\r\n\r\nhello")
        connection.sendall(connection.recv(100).upper())

    world.a.responses[b"/api/v1"] = switch
    with world.connect() as wire:
        wire.send(world.head(*upgrade_lines(protocol), method=b"POST", target=TARGET))
        response = wire.read_response()
        assert response.status == 101
        assert response.header_values(b"Set-Cookie") == []
        assert wire.read_exactly(5) == b"hello"
        wire.send(b"client")
        assert wire.read_exactly(6) == b"CLIENT"
        assert wire.is_closed_silently()
    [recorded] = world.a.requests()
    framing = upgrade_lines(protocol)
    assert recorded.raw == world.expected_head(method=b"POST", target=EXEC, framing=framing)


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
def test_unsupported_upgrade_is_forwarded_as_plain_request(
    world: World, lines: tuple[bytes, ...]
) -> None:
    """An upgrade to cleartext HTTP/2 would carry requests that the proxy cannot check."""
    assert world.send(world.head(*lines)).status == 200
    assert world.only_request().raw == world.expected_head()


@pytest.mark.parametrize("lines", [(), (b"Connection: Upgrade", b"Upgrade: h2c")])
def test_unsolicited_101_becomes_502(world: World, lines: tuple[bytes, ...]) -> None:
    world.a.responses[b"/api"] = (
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"
    )
    with world.connect() as wire:
        wire.send(world.head(*lines))
        assert wire.read_response().status == 502
        if lines:
            assert wire.is_closed_silently()
    assert world.only_request().raw == world.expected_head()


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    ("lines", "body"),
    [((b"Content-Length: 5",), b"hello"), ((b"Transfer-Encoding: chunked",), b"0\r\n\r\n")],
)
def test_body_of_upgrade_request_is_not_forwarded(
    world: World, protocol: bytes, lines: tuple[bytes, ...], body: bytes
) -> None:
    """Its bytes would become the start of the tunnel or of another request."""
    world.a.responses[b"/api/v1"] = response_bytes(b"403 Forbidden")
    head = world.head(*upgrade_lines(protocol), *lines, method=b"POST", target=TARGET)
    with world.connect() as wire:
        wire.send(head + body + SECOND)
        assert wire.read_response().status == 403
        assert wire.is_closed_silently()
    framing = upgrade_lines(protocol)
    assert world.only_request().raw == world.expected_head(
        method=b"POST", target=EXEC, framing=framing
    )


@pytest.mark.parametrize("user", [None, "bob", "eve"])
def test_caller_without_access_cannot_upgrade(world: World, user: str | None) -> None:
    target = b"/k8s/clusters/b" + EXEC
    with world.connect() as wire:
        wire.send(world.head(*upgrade_lines(b"websocket"), user=user, target=target) + SECOND)
        assert wire.read_response().status == (401 if user is None else 404)
        assert wire.is_closed_silently()
    world.assert_nothing_received()
