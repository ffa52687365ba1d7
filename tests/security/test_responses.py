"""Responses of a cluster, or of a pod behind it, cannot act on the proxy's origin."""

import ssl

import pytest

from proxy.response.origin_headers import ORIGIN_WIDE, ORIGIN_WIDE_PREFIXES, acts_on_origin
from tests.security.world import World, wait_until

PAGE = b"/k8s/clusters/a/api/v1/namespaces/n/services/s/proxy/"


def respond_with(world: World, *lines: bytes, status: bytes = b"200 OK") -> None:
    world.a.responses[b"/api"] = b"\r\n".join(
        [b"HTTP/1.1 " + status, *lines, b"Content-Length: 2", b"", b"ok"]
    )


def test_cookies_and_hop_by_hop_headers_do_not_reach_client(world: World) -> None:
    respond_with(
        world,
        *(b"Set-Cookie: __Host-sekisho=other; Path=/; Secure", b"set-cookie2: a=b"),
        *(b"Keep-Alive: timeout=5", b"Proxy-Authenticate: Basic", b"Upgrade: h2c", b"TE: x"),
        *(b"X-Request-Id: other", b"sekisho-RESPONDER: gate", b"X-Fine: yes"),
    )
    response = world.send(world.head())
    names = [line.partition(b":")[0] for line in response.head.split(b"\r\n")[1:] if line]
    assert names == [b"X-Fine", b"Content-Length", b"X-Request-Id"]
    assert response.header_values(b"X-Request-Id") == [b"security-test-0001"]


def test_mark_of_the_gates_responses_is_not_passed_on_from_a_cluster(world: World) -> None:
    """Not in trailers either: a 404 with it means that the gate does not know the cluster."""
    world.a.responses[b"/api"] = b"\r\n".join(
        [
            *(b"HTTP/1.1 404 Not Found", b"Sekisho-Responder: gate", b"Trailer: Sekisho-Responder"),
            *(b"Transfer-Encoding: chunked", b"", b"2", b"ok", b"0"),
            *(b"Sekisho-Responder: gate", b"X-Fine: yes", b"", b""),
        ]
    )
    response = world.send(world.head())
    assert response.status == 404
    assert b"\r\nSekisho-Responder" not in response.head + response.body
    of_the_gate = world.send(world.head(target=b"/k8s/clusters/none/api"))
    assert (of_the_gate.status, of_the_gate.header_values(b"Sekisho-Responder")) == (404, [b"gate"])


@pytest.mark.parametrize("status", [b"301 Moved", b"302 Found", b"307 Again", b"308 Moved"])
@pytest.mark.parametrize(
    ("location", "expected"),
    [
        (b"/v1/me", b"{prefix}/v1/me"),
        (b"/k8s/clusters/b/api", b"{prefix}/k8s/clusters/b/api"),
        (b"//evil.example/x", b"//evil.example/x"),
        (b"https://evil.example/x", b"https://evil.example/x"),
    ],
)
def test_redirect_is_passed_on_and_not_followed(
    world: World, status: bytes, location: bytes, expected: bytes
) -> None:
    respond_with(world, b"Location: " + location, status=status)
    response = world.send(world.head())
    assert response.status == int(status[:3])
    prefix = f"/k8s/clusters/{world.clusters['a']}".encode()
    assert response.header_values(b"Location") == [expected.replace(b"{prefix}", prefix)]
    assert world.only_request().raw == world.expected_head()


def test_page_of_proxied_service_is_sandboxed(world: World) -> None:
    cookie, _ = world.sign_in("alice")
    respond_with(world, b"Content-Security-Policy: default-src *", b"Content-Type: text/html")
    response = world.send(world.head(cookie, user=None, target=PAGE))
    policies = response.header_values(b"Content-Security-Policy")
    assert b"sandbox allow-scripts allow-forms allow-popups" in policies
    assert response.header_values(b"X-Content-Type-Options") == [b"nosniff"]


def test_401_from_cluster_does_not_reach_client(world: World) -> None:
    """The 401 concerns Sekisho's credential. A client would discard its own, valid one."""
    respond_with(world, b"WWW-Authenticate: Basic realm=give-me-a-password", status=b"401 No")
    # The proxy caches an earlier result about its credential for some seconds.
    wait_until(lambda: world.send(world.head()).status == 502, 60)
    response = world.send(world.head())
    assert response.status == 502
    assert response.header_values(b"WWW-Authenticate") == []


def test_cluster_credential_is_in_no_response(world: World) -> None:
    for status in (b"200 OK", b"401 No", b"403 No", b"500 Oops"):
        respond_with(world, status=status)
        response = world.send(world.head())
        assert world.a.token.encode() not in response.head + response.body


@pytest.mark.parametrize(
    "response",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: a\rSet-Cookie: b\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: a\x00\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"nonsense\r\n\r\n",
    ],
)
def test_ambiguous_response_is_not_passed_on(world: World, response: bytes) -> None:
    world.a.responses[b"/api"] = response
    assert world.send(world.head()).status == 502


def test_unsolicited_response_is_not_passed_on(world: World) -> None:
    """A second response after the first must not answer another caller's request."""
    ok = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
    world.a.responses[b"/first"] = ok + b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged"
    world.a.responses[b"/second"] = ok
    assert world.send(world.head(target=b"/k8s/clusters/a/first")).body == b"ok"
    response = world.send(world.head(user="bob", target=b"/k8s/clusters/a/second"))
    assert response.body == b"ok"


def spellings(name: bytes) -> set[bytes]:
    return {name, name.title(), name.upper(), name.swapcase().capitalize()}


FAMILIES = [prefix + b"of-the-future" for prefix in ORIGIN_WIDE_PREFIXES] + [
    b"access-control-allow-origin",
    b"access-control-allow-credentials",
    b"access-control-expose-headers",
    b"access-control-allow-private-network",
    b"x-accel-redirect",
]
ORIGIN_WIDE_LINES = sorted({one for name in (*ORIGIN_WIDE, *FAMILIES) for one in spellings(name)})


@pytest.mark.parametrize("mode", ["fast path", "standard path", "cookie", "behind proxy"])
@pytest.mark.parametrize("status", [b"200 OK", b"404 No", b"304 Not Modified"])
def test_origin_wide_header_does_not_reach_client(world: World, mode: str, status: bytes) -> None:
    respond_with(
        world, *(name + b": x" for name in ORIGIN_WIDE_LINES), b"X-Fine: yes", status=status
    )
    request = world.head(target=PAGE if mode == "behind proxy" else b"/k8s/clusters/a/api")
    if mode == "cookie":
        cookie, _ = world.sign_in("alice")
        request = world.head(cookie, user=None, target=PAGE)
    with world.connect() as wire:
        if mode == "standard path":
            wire.send(2 * world.head(target=b"/k8s/clusters/a/both"))
            assert [wire.read_response().status, wire.read_response().status] == [200, 200]
        wire.send(request)
        response = wire.read_response()
    names = {line.partition(b":")[0].lower() for line in response.head.split(b"\r\n")[1:]}
    assert b"x-fine" in names
    assert [name for name in names if acts_on_origin(name)] == []


def test_origin_wide_trailer_does_not_reach_client(world: World) -> None:
    trailers = b"".join(name + b": x\r\n" for name in ORIGIN_WIDE_LINES)
    world.a.responses[b"/api"] = (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
        b"2\r\nok\r\n0\r\n" + trailers + b"X-Sum: 1\r\n\r\n"
    )
    with world.connect() as wire:
        wire.send(world.head(b"Connection: close"))
        _, _, body = wire.read_to_end().partition(b"\r\n\r\n")
    assert body == b"2\r\nok\r\n0\r\nX-Sum: 1\r\n\r\n"


@pytest.mark.parametrize("interim", [b"100 Continue", b"102 Processing", b"103 Early Hints"])
def test_interim_response_does_not_reach_client(world: World, interim: bytes) -> None:
    lines = b"".join(name + b": x\r\n" for name in ORIGIN_WIDE_LINES)
    world.a.responses[b"/api"] = (
        b"HTTP/1.1 " + interim + b"\r\n" + lines + b"Link: </x>; rel=preload\r\n\r\n"
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
    )
    response = world.send(world.head())
    assert (response.status, response.body) == (200, b"ok")
    assert b"Link" not in response.head


def test_upgrade_response_carries_no_origin_wide_header(world: World) -> None:
    def switch(connection: ssl.SSLSocket) -> None:
        lines = b"".join(name + b": x\r\n" for name in ORIGIN_WIDE_LINES)
        connection.sendall(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: y\r\n" + lines + b"\r\n"
        )

    world.a.responses[b"/api/v1/namespaces/n/pods/p/exec"] = switch
    target = b"/k8s/clusters/a/api/v1/namespaces/n/pods/p/exec?command=x"
    upgrade = (b"Connection: Upgrade", b"Upgrade: websocket")
    response = world.send(world.head(*upgrade, target=target))
    assert response.status == 101
    assert response.header_values(b"Sec-WebSocket-Accept") == [b"y"]
    names = {line.partition(b":")[0].lower() for line in response.head.split(b"\r\n")[1:]}
    assert [name for name in names if acts_on_origin(name)] == []


@pytest.mark.parametrize("status", [b"204 No Content", b"304 Not Modified"])
@pytest.mark.parametrize("line", [b"Content-Length: 0", b"Content-Length: 5", b"X: y",
                                  b"Transfer-Encoding: chunked"])  # fmt: skip
@pytest.mark.parametrize("method", [b"GET", b"HEAD", b"DELETE"])
def test_response_without_body_has_no_length_header(
    world: World, status: bytes, line: bytes, method: bytes
) -> None:
    world.a.responses[b"/api"] = b"HTTP/1.1 " + status + b"\r\n" + line + b"\r\n\r\n"
    with world.connect() as wire:
        wire.send(world.head(method=method))
        response = wire.read_response()
        assert response.status == int(status[:3])
        assert (
            response.header_values(b"Content-Length")
            == response.header_values(b"Transfer-Encoding")
            == []
        )
        world.a.responses[b"/api"] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
        wire.send(world.head())
        assert wire.read_response().body == b"ok"
