"""A request has one credential, in one place. The proxy removes it and trusts nothing else."""

import base64

import pytest

from tests.security.world import World

UNKNOWN_TOKEN = b"token-aaaaaaaaaa:" + b"x" * 43
EXEC = b"/k8s/clusters/a/api/v1/namespaces/n/pods/p/exec"
WEBSOCKET = (b"Connection: Upgrade", b"Upgrade: websocket")
BEARER_PROTOCOL = b"base64url.bearer.authorization.k8s.io."


def basic(token: str) -> bytes:
    return b"Authorization: Basic " + base64.b64encode(token.encode())


def subprotocol(token: str) -> bytes:
    encoded = base64.urlsafe_b64encode(token.encode()).rstrip(b"=")
    return b"Sec-WebSocket-Protocol: v5.channel.k8s.io, " + BEARER_PROTOCOL + encoded


def bearer(token: str) -> bytes:
    return b"Authorization: Bearer " + token.encode()


@pytest.mark.parametrize("spelt", [b"Authorization", b"authorization", b"AUTHORIZATION"])
def test_two_authorization_headers_are_rejected(world: World, spelt: bytes) -> None:
    for value in (b"Bearer " + world.tokens["bob"].encode(), b"Basic YTpi", b"x", b""):
        assert world.send(world.head(spelt + b": " + value)).status == 400
    world.assert_nothing_received()


def test_two_credentials_of_different_kinds_are_rejected(world: World) -> None:
    cookie, csrf = world.sign_in("bob")
    alice, bob = world.tokens["alice"], world.tokens["bob"]
    for lines in (
        (bearer(alice), cookie),
        (basic(alice), cookie, b"X-CSRF-Token: " + csrf),
        (bearer(alice), subprotocol(bob)),
        (basic(alice), subprotocol(alice)),
        (cookie, b"Origin: " + world.sekisho.url.encode(), subprotocol(alice)),
        (subprotocol(alice), subprotocol(alice)),
    ):
        head = world.head(*WEBSOCKET, *lines, user=None, target=EXEC)
        assert world.send(head).status == 400, lines
    world.assert_nothing_received()


@pytest.mark.parametrize(
    "line",
    [
        b"Authorization: Bearer",
        b"Authorization: Bearer ",
        b"Authorization:",
        b"Authorization: Basic !",
        b"Authorization: Basic",
        b"Authorization: Digest username=root",
        b"Authorization: Negotiate YII",
        b"Authorization: Bearer a b",
        b"Authorization: " + b"x" * 5000,
    ],
)
def test_malformed_credential_is_rejected(world: World, line: bytes) -> None:
    response = world.send(world.head(line, user=None))
    assert response.status == 400
    world.assert_nothing_received()


@pytest.mark.parametrize(
    "value",
    [
        b"Bearer " + UNKNOWN_TOKEN,
        b"Bearer :",
        b"Bearer token-x:",
        b"Bearer :secret",
        b"Bearer \xc3\xa9:x",
        b"Bearer null",
        b"Basic Og==",
        b"Basic " + base64.b64encode(b"alice:correct horse battery staple"),
    ],
)
def test_unknown_credential_is_rejected(world: World, value: bytes) -> None:
    response = world.send(world.head(b"Authorization: " + value, user=None))
    assert response.status == 401
    assert response.header_values(b"WWW-Authenticate") == [b'Bearer realm="sekisho"']
    world.assert_nothing_received()


def test_token_with_wrong_secret_is_rejected(world: World) -> None:
    name = world.tokens["alice"].partition(":")[0]
    for secret in ("", "x", world.tokens["bob"].partition(":")[2]):
        head = world.head(b"Authorization: Bearer " + f"{name}:{secret}".encode(), user=None)
        assert world.send(head).status == 401
    world.assert_nothing_received()


def test_request_without_credential_is_rejected(world: World) -> None:
    for lines in ((), (b"Cookie: a=b",), (b"Cookie: __Host-sekisho=forged",)):
        assert world.send(world.head(*lines, user=None)).status == 401
    world.assert_nothing_received()


def test_basic_credential_is_accepted_and_not_forwarded(world: World) -> None:
    head = world.head(basic(world.tokens["alice"]), b"Accept: a", user=None)
    assert world.send(head).status == 200
    assert world.only_request().raw == world.expected_head(b"Accept: a")


def test_cookie_authenticates_reads_and_is_not_forwarded(world: World) -> None:
    cookie, _ = world.sign_in("alice")
    response = world.send(world.head(b"Accept: a", cookie, b"Cookie: other=1", user=None))
    assert response.status == 200
    assert world.only_request().raw == world.expected_head(b"Accept: a")
    assert b"sandbox" in response.header_values(b"Content-Security-Policy")[0]


@pytest.mark.parametrize(
    "lines",
    [
        (),
        (b"X-CSRF-Token: wrong",),
        (b"X-CSRF-Token:",),
        (b"X_CSRF_Token: {csrf}",),
        (b"X-CSRF-Token: {csrf}", b"Origin: https://evil.example"),
        (b"X-CSRF-Token: {csrf}", b"Sec-Fetch-Site: cross-site"),
        (b"X-CSRF-Token: {csrf}", b"Origin: null"),
    ],
)
def test_cookie_without_csrf_token_or_own_origin_cannot_write(
    world: World, lines: tuple[bytes, ...]
) -> None:
    cookie, csrf = world.sign_in("alice")
    filled = [line.replace(b"{csrf}", csrf) for line in lines]
    assert world.send(world.head(cookie, *filled, user=None, method=b"DELETE")).status == 403
    world.assert_nothing_received()


def test_cookie_with_csrf_token_can_write(world: World) -> None:
    cookie, csrf = world.sign_in("alice")
    lines = (cookie, b"X-CSRF-Token: " + csrf, b"Origin: " + world.sekisho.url.encode())
    assert world.send(world.head(*lines, user=None, method=b"DELETE")).status == 200
    origin = b"Origin: " + world.sekisho.url.encode()
    assert world.only_request().raw == world.expected_head(origin, method=b"DELETE")


UNTRUSTED_HEADERS = (
    *(b"X-Remote-User: root", b"X-Remote-Group: system:masters", b"X_Remote_User: root"),
    *(b"x-remote-extra-scopes: all", b"X-Remote-Uid: 0", b"X-Forwarded-For: 6.6.6.6"),
    *(b"X-Forwarded-Host: evil", b"X-Forwarded-Uri: /healthz", b"X-Forwarded-Proto: http"),
    *(b"X-Forwarded-User: root", b"x_forwarded_for: 6.6.6.6", b"X-Forwarded-Access-Token: t"),
    *(b"Forwarded: for=6.6.6.6", b"Via: 1.1 evil", b"X-Real-IP: 6.6.6.6", b"X_Real_IP: 6.6.6.6"),
    *(b"True-Client-IP: 6.6.6.6", b"X-Cluster-Client-Ip: 6.6.6.6", b"X-Original-URL: /v1/me"),
    *(b"X-Rewrite-URL: /v1/me", b"X-Sekisho-User: root", b"Proxy-Authorization: Basic YTpi"),
    *(b"Proxy-Connection: keep-alive", b"Proxy: http://evil", b"Cookie: a=b", b"cookie: c=d"),
    *(b"X-HTTP-Method-Override: DELETE", b"X-Method-Override: DELETE", b"X-HTTP-Method: PUT"),
    *(b"Keep-Alive: timeout=9", b"TE: trailers", b"Trailer: X", b"HTTP2-Settings: AAMAAABk"),
    *(b"X-CSRF-Token: x", b"Content_Length: 5", b"Transfer_Encoding: chunked", b"Expect: x"),
)


def test_identity_and_address_headers_are_not_forwarded(world: World) -> None:
    passed = (b"Accept: a", b"X-Remotely: fine", b"X-Stream-Protocol-Version: v4.channel.k8s.io")
    assert world.send(world.head(*UNTRUSTED_HEADERS, *passed)).status == 200
    assert world.only_request().raw == world.expected_head(*passed)


@pytest.mark.parametrize("line", UNTRUSTED_HEADERS)
def test_identity_header_is_not_a_credential(world: World, line: bytes) -> None:
    assert world.send(world.head(line, user=None)).status == 401
    world.assert_nothing_received()


def test_websocket_bearer_is_removed_and_other_subprotocols_are_forwarded(world: World) -> None:
    world.a.responses[b"/api/v1"] = b"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n"
    lines = (*WEBSOCKET, b"Sec-WebSocket-Version: 13", subprotocol(world.tokens["alice"]))
    assert world.send(world.head(*lines, user=None, target=EXEC)).status == 403
    assert world.only_request().raw == world.expected_head(
        b"Sec-WebSocket-Version: 13",
        b"Sec-WebSocket-Protocol: v5.channel.k8s.io",
        target=EXEC.removeprefix(b"/k8s/clusters/a"),
        framing=(b"Connection: Upgrade", b"Upgrade: websocket"),
    )


@pytest.mark.parametrize(
    "value", [b"{bearer}", b"v4.channel.k8s.io, {bearer}!", b"{bearer}, x, {bearer}"]
)
def test_malformed_websocket_bearer_is_rejected(world: World, value: bytes) -> None:
    encoded = subprotocol(world.tokens["alice"]).partition(b", ")[2]
    line = b"Sec-WebSocket-Protocol: " + value.replace(b"{bearer}", encoded)
    assert world.send(world.head(*WEBSOCKET, line, user=None, target=EXEC)).status == 400
    world.assert_nothing_received()
